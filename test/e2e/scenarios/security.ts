/** security.ts: a cluster whose every link is encrypted: who gets in, and certificates that are renewed under load. */
import { assertDefined } from "@varve/base";
import { type TlsOptions, Varve, VarveError } from "@varve/client";
import { waitUntil } from "../../chaos/clock.js";
import type { ClusterCertificates } from "../containers/cluster-certificates.js";
import { rollingRestart } from "./restarts.js";
import { mustDo, type Scenario, type ScenarioContext } from "./scenario.js";

/** Longer than those that the cluster begins with. */
const RENEWED_DAYS = 90;
/** Brokers look at their files every 2 s. */
const TAKEN_OVER_MS = 30_000;
const REFUSED_MS = 10_000;
/** For clients and for brokers: each looks after files of its own. */
const LISTENERS = 2;

export const strangers: Scenario = {
  name: "strangers",
  does: "clients in plain text, without a certificate, and with one of an unknown authority are refused; the command line in a broker's container is let in",
  run: async (context) => {
    const { cluster, say } = context;
    const certificates = certificatesOf(context);
    const { caFile } = certificates.forClients;
    for (const [who, tls] of [
      ["in plain text", undefined],
      ["without a certificate", { caFile }],
      ["of an unknown authority", await certificates.forged()],
    ] as const)
      say(`a client ${who}: ${await refusalOf(cluster.bootstrap, tls)}`);
    await mustDo(context, 1, ["cluster", "describe"]);
  },
};

export const renewCertificates: Scenario = {
  name: "certificates renewed",
  does: "the certificates and keys of all brokers and clients are renewed in their files; no broker starts again, and new clients come in by the new ones",
  run: (context) =>
    withoutRestart(context, async (certificates) => {
      await takenOver(context, () => certificates.renew(RENEWED_DAYS));
      await letIn(context, certificates.forClients);
    }),
};

export const newAuthority: Scenario = {
  name: "new authority",
  does: "both authorities give way to new ones: first both are trusted, then certificates are of the new ones, then the old ones are trusted no more",
  run: (context) =>
    withoutRestart(context, async (certificates) => {
      const kept = certificates.keptByClient();
      await takenOver(context, () => certificates.trustNewAuthorities());
      await letIn(context, kept);
      await takenOver(context, () => certificates.renew(RENEWED_DAYS));
      await letIn(context, certificates.forClients);
      await takenOver(context, async () => certificates.forgetOldAuthorities());
      await letIn(context, certificates.forClients);
      const { caFile } = certificates.forClients;
      context.say(`a client of the old authority: ${await refusalOf(context.cluster.bootstrap, { ...kept, caFile })}`);
    }),
};

export const securedRoll: Scenario = {
  name: "rolling restart, TLS",
  does: `${rollingRestart.does}, with certificates of the new authorities`,
  run: rollingRestart.run,
};

/** Why a client is not let in. @throws Error when it is. */
async function refusalOf(bootstrap: string, tls: TlsOptions | undefined): Promise<string> {
  const varve = new Varve({ bootstrap, tls, requestDeadlineMs: REFUSED_MS });
  try {
    await varve.admin.listTopics();
  } catch (error) {
    if (error instanceof VarveError && error.code === "TLS_FAILED") return String(error.details["reason"]);
    throw error;
  } finally {
    await varve.close();
  }
  throw new Error("a stranger was let in");
}

async function letIn({ cluster }: ScenarioContext, tls: TlsOptions): Promise<void> {
  const varve = new Varve({ bootstrap: cluster.bootstrap, tls });
  await varve.admin.listTopics().finally(() => varve.close());
}

async function withoutRestart(
  context: ScenarioContext,
  act: (certificates: ClusterCertificates) => Promise<void>,
): Promise<void> {
  const { cluster } = context;
  const pids = cluster.ids.map((id) => cluster.pidOf(id));
  await act(certificatesOf(context));
  if (cluster.ids.some((id, at) => cluster.pidOf(id) !== pids[at])) throw new Error("a broker was started again");
}

/** Changes files of both listeners, and waits until every broker uses them. */
async function takenOver(context: ScenarioContext, change: () => Promise<void>): Promise<void> {
  const before = await reloadsOf(context);
  await change();
  await waitUntil("every broker uses the new files", TAKEN_OVER_MS, async () => {
    const now = await reloadsOf(context);
    return now.every((count, at) => count >= (before[at] ?? 0) + LISTENERS) || `${before.join()} -> ${now.join()}`;
  });
}

/** Of each broker: how often it has taken over changed files, of one listener at a time. */
async function reloadsOf({ cluster }: ScenarioContext): Promise<number[]> {
  const texts = await Promise.all(cluster.ids.map((id) => cluster.metricsOf(id)));
  return texts.map((text) => Number(/^varve_tls_reloads_total (\d+)$/m.exec(text)?.[1]));
}

function certificatesOf({ cluster }: ScenarioContext): ClusterCertificates {
  return assertDefined(cluster.certificates, "this scenario is planned for a cluster with TLS");
}
