/** tls.ts: 5.7: a cluster with certificates from secrets; they are rotated, and no broker restarts. */
import { type Authority, createAuthority } from "@varve/testing";
import type { Kubectl } from "../cluster/kubectl.js";
import { restartsOf } from "../cluster/objects.js";
import { until } from "../cluster/runner.js";
import { type Context, expect, expectShortGaps, type Place, type Scenario } from "./scenario.js";

const DAY_MS = 86_400_000;
/** The kubelet brings a changed secret into pods within about a minute; twice that, and some. */
const TAKEN_OVER_MS = 240_000;
const CLUSTER_ID = "6f0f6f62-9c53-4f6e-8f0e-2f8f2a4d7c11";
const CLIENTS = "varve-tls";
const PEERS = "varve-peer-tls";

export const tls: Scenario = {
  id: "5.7",
  name: "tls",
  title: "TLS from secrets, rotated without a restart",
  underLoad: false,
  run: (context) => context.inNamespace("tls", (place) => secured(context, place)),
};

async function secured(context: Context, place: Place): Promise<void> {
  const { kubectl, helm, cluster } = place;
  const authorities = { clients: await createAuthority("clients"), peers: await createAuthority("brokers") };
  await kubectl.makeNamespace();
  await bring(kubectl, authorities, 30);
  const files = {
    "tls.enabled": true,
    "tls.secretName": CLIENTS,
    "tls.clientAuth": "required",
    "peerTls.enabled": true,
    "peerTls.secretName": PEERS,
  };
  await helm.install({ ...context.baseline, ...files });
  await cluster.whenWhole(3);
  await context.underLoad({ place, tlsSecret: CLIENTS }, async ({ step }) => {
    const before = await cluster.pods();
    const ends = await expiries(place);
    const rows = await step("certificates rotated", "all", async () => {
      await bring(kubectl, authorities, 90);
      await until(context.world, "the new certificates in all brokers", TAKEN_OVER_MS, async () => {
        const now = await expiries(place);
        return now.every((end, at) => end > (ends[at] ?? 0)) || `they end at ${now.join(", ")}`;
      });
    });
    const after = await cluster.pods();
    expect(
      after.every((pod, at) => pod.metadata.uid === before[at]?.metadata.uid && restartsOf(pod) === 0),
      "a broker restarted",
    );
    expectShortGaps(rows);
  });
}

interface Authorities {
  readonly clients: Authority;
  readonly peers: Authority;
}

/** Secrets with new certificates that end in so many days. */
async function bring(kubectl: Kubectl, { clients, peers }: Authorities, days: number): Promise<void> {
  const { namespace } = kubectl;
  const notAfter = new Date(Date.now() + days * DAY_MS);
  const dnsNames = ["varve", `varve.${namespace}.svc`, `*.varve-headless.${namespace}.svc`, "*.varve-headless"];
  const forClients = await clients.issue({ name: "varve", dnsNames, notAfter });
  const forPeers = await peers.issue({ name: "varve", dnsNames, uris: [`varve://cluster/${CLUSTER_ID}`], notAfter });
  for (const [name, { cert, key }, authority] of [
    [CLIENTS, forClients, clients],
    [PEERS, forPeers, peers],
  ] as const) {
    const stringData = { "tls.crt": cert, "tls.key": key, "ca.crt": authority.cert };
    await kubectl.apply(
      JSON.stringify({ apiVersion: "v1", kind: "Secret", metadata: { name, namespace }, stringData }),
    );
  }
}

/** Ends of certificates are in the metrics, which are plain text on the pod's own address. The image has no shell, but Node.js. */
const METRICS =
  "fetch('http://127.0.0.1:7652/metrics').then((answer) => answer.text()).then((text) => process.stdout.write(text))";

/**
 * When each broker's own certificates end, the first of them, Unix time. Asked for in the pod: not every API server's network leads to any port of pods.
 */
async function expiries({ kubectl, cluster }: Place): Promise<number[]> {
  const pods = await cluster.pods();
  return Promise.all(
    pods.map(async ({ metadata }) => {
      const text = await kubectl.exec(metadata.name, ["node", "-e", METRICS]);
      const own = [
        ...text.matchAll(/^varve_tls_certificate_expiry_timestamp_seconds\{[^}]*certificate="own"[^}]*\} (\S+)$/gm),
      ];
      return Math.min(...own.map(([, end]) => Number(end)));
    }),
  );
}
