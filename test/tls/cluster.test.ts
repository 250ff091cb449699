/** cluster.test.ts: three brokers in this process with TLS on every link, and what the SDK, a stranger and a new certificate get of them. */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { connect as connectTls, type SecureVersion } from "node:tls";
import { type Logger, silentLogger, VarveError } from "@varve/base";
import { parseConfig } from "@varve/broker";
import { type RunningBroker, runBroker } from "@varve/broker/node";
import { Varve } from "@varve/client";
import { findFreePorts } from "varve";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type CertificateFiles, Certificates, CLUSTER, LOCAL, SECOND_AGO } from "./kit.js";

const STATE = { timeout: 60_000, interval: 50 };
const EXPIRY = "varve_tls_certificate_expiry_timestamp_seconds";
const TOPIC = "secured";
const OTHER_CLUSTER = "99999999-2222-4333-8444-555555555555";
let certificates: Certificates;
let clientFiles: CertificateFiles;
let brokers: RunningBroker[] = [];
let ports: Awaited<ReturnType<typeof findFreePorts>> = [];
const clients: Varve[] = [];
/** What the brokers warned of a listener. */
const warnings: { readonly listener?: string }[] = [];
const logger: Logger = { ...silentLogger, warn: (fields) => void warnings.push(fields as object) };

beforeAll(async () => {
  certificates = await Certificates.create();
  clientFiles = await certificates.issue();
  ports = await findFreePorts(4);
  brokers = await Promise.all([1, 2, 3].map((id) => start(id)));
  await Promise.all(brokers.map(({ ready }) => ready));
});

afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await Promise.all(brokers.map((broker) => broker.kill()));
  certificates.remove();
});

async function start(brokerId: number, clusterId: string = CLUSTER): Promise<RunningBroker> {
  const seeds = ports.slice(0, 3).map(({ peer }) => `127.0.0.1:${peer}`);
  const dataDir = join(certificates.folder, `broker-${brokerId}`);
  mkdirSync(dataDir, { recursive: true });
  const { grpc = 0, peer = 0 } = ports[brokerId - 1] ?? {};
  const { caFile } = certificates;
  const own = await certificates.issue({ ...LOCAL, name: `broker-${brokerId}` });
  const ofPeer = await certificates.issuePeer(clusterId, { name: `peer-${brokerId}` });
  const config = {
    brokerId,
    dataDir,
    host: `machine-${brokerId}`,
    cluster: { seeds },
    listen: { grpcPort: grpc, peerPort: peer, opsPort: 0, metricsPort: 0 },
    tls: { ...own, caFile, clientAuth: "required" },
    peerTls: { ...ofPeer, caFile },
  };
  return runBroker(parseConfig(config), { logger, watchProcess: false });
}

function connect(tls: ConstructorParameters<typeof Varve>[0]["tls"]): Varve {
  const client = new Varve({ bootstrap: ports.slice(0, 3).map(({ grpc }) => `127.0.0.1:${grpc}`), tls });
  clients.push(client);
  return client;
}

const known = (): Varve => connect({ caFile: certificates.caFile, ...clientFiles });

async function metricsOf(broker: RunningBroker): Promise<string> {
  return (await fetch(`http://127.0.0.1:${broker.metricsPort}/metrics`)).text();
}

test("a cluster takes the id that its certificates name, and serves producers, readers and groups", async () => {
  const varve = known();
  expect(await varve.admin.describeCluster()).toMatchObject({ clusterId: CLUSTER });
  await varve.admin.createTopic({ topic: TOPIC, partitions: 3, replicas: 3 });
  const producer = varve.producer();
  await Promise.all(
    Array.from({ length: 300 }, (_, at) => producer.send({ topic: TOPIC, key: `${at}`, value: `${at}` })),
  );
  const values = new Set<string>();
  for await (const { value } of varve.reader({ topic: TOPIC, from: "earliest", to: "end" })) values.add(String(value));
  expect(values.size).toBe(300);
  const consumer = varve.consumer({ group: "secured", topics: [TOPIC] });
  let handled = 0;
  const running = consumer.run({ handler: async () => void handled++ });
  await vi.waitFor(() => expect(handled).toBe(300), STATE);
  await consumer.close();
  await running;
});

const refusals = async (broker: RunningBroker): Promise<number> =>
  Number(/^varve_tls_refused_total (\d+)$/m.exec(await metricsOf(broker))?.[1]);

/** Shakes hands with the first broker's port for peers, and waits until it has closed the connection. */
function dialPeer(files: CertificateFiles | null, version: SecureVersion): Promise<unknown> {
  const pem = files && { cert: readFileSync(files.certFile), key: readFileSync(files.keyFile) };
  const options = { ...pem, rejectUnauthorized: false, minVersion: version, maxVersion: version };
  const socket = connectTls({ host: "127.0.0.1", port: ports[0]?.peer ?? 0, ...options });
  socket.on("error", () => {});
  return new Promise((resolve) => socket.resume().once("close", resolve));
}

describe("who is refused on the peers' port is counted once and named in the log", () => {
  test.each([
    {
      who: "a stranger who claims the cluster",
      issue: () => certificates.issuePeer(CLUSTER, {}, certificates.stranger),
      why: "UNABLE_TO_VERIFY",
    },
    {
      who: "one whose certificate has expired",
      issue: () => certificates.issuePeer(CLUSTER, { notAfter: SECOND_AGO() }),
      why: "CERT_HAS_EXPIRED",
    },
    { who: "another cluster's broker", issue: () => certificates.issuePeer(OTHER_CLUSTER), why: "of cluster 9999" },
    { who: "a client of the same authority", issue: () => certificates.issue(LOCAL), why: "names no cluster" },
    { who: "who shows no certificate", issue: async () => null, why: "no certificate" },
  ])("$who", async ({ issue, why }) => {
    const [broker] = brokers;
    if (broker === undefined) throw new Error("the first broker runs");
    const files = await issue();
    const before = await refusals(broker);
    await dialPeer(files, "TLSv1.2");
    expect(await refusals(broker)).toBe(before + 1);
    await dialPeer(files, "TLSv1.3");
    expect(await refusals(broker)).toBe(before + 2);
    const line = { listener: "peers", address: "127.0.0.1", reason: expect.stringContaining(why) };
    expect(warnings.filter(({ listener }) => listener === "peers")).toContainEqual(line);
  });
});

test("a client without a certificate, or that trusts others, is told so after one round, not after its deadline", async () => {
  const { caFile, strangerCaFile } = certificates;
  const answers = await Promise.all(
    [{ caFile }, { caFile: strangerCaFile, ...clientFiles }].map((tls) =>
      connect(tls)
        .admin.listTopics()
        .catch((error: unknown) => error),
    ),
  );
  expect(answers).toMatchObject([
    { code: "TLS_FAILED", retryable: false, details: { reason: "client-certificate-missing" } },
    { code: "TLS_FAILED", retryable: false, details: { reason: "unknown-authority" } },
  ]);
  for (const answer of answers) expect(answer).toBeInstanceOf(VarveError);
});

test("producers, readers and groups fail by the same name, too", async () => {
  const stranger = connect({ caFile: certificates.caFile });
  const reason = { code: "TLS_FAILED", details: { reason: "client-certificate-missing" } };
  await expect(stranger.producer().send({ topic: TOPIC, value: "x" })).rejects.toMatchObject(reason);
  const reading = stranger.reader({ topic: TOPIC, from: "earliest", to: "end" })[Symbol.asyncIterator]().next();
  await expect(reading).rejects.toMatchObject(reason);
  const consumer = stranger.consumer({ group: "strangers", topics: [TOPIC] });
  await expect(consumer.run({ handler: async () => {} })).rejects.toMatchObject(reason);
});

test("a broker of another cluster gets no answer from this one", async () => {
  const stranger = await start(4, OTHER_CLUSTER);
  stranger.ready.catch(() => {});
  // Who dials finds out first, and may be gone before the other side has looked: each attempt is refused by one of them, or by both.
  const all = async (): Promise<number> =>
    (await Promise.all([...brokers, stranger].map(refusals))).reduce((sum, count) => sum + count, 0);
  const before = await all();
  await vi.waitFor(async () => expect(await all()).toBeGreaterThan(before + 2), STATE);
  expect(stranger.broker.hub.connected()).toEqual([]);
  await stranger.kill();
});

test("a certificate of another cluster than the data's is refused at the start", async () => {
  await brokers[2]?.kill();
  const refused = await start(3, OTHER_CLUSTER).catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: "DATA_DIR_UNUSABLE" });
  brokers[2] = await start(3);
  await brokers[2].ready;
});

test("metrics and the status page have a port of their own, the probes the other one", async () => {
  const [broker] = brokers;
  const status = async (port: number | null | undefined, path: string): Promise<number> =>
    (await fetch(`http://127.0.0.1:${port}${path}`)).status;
  const both = async (path: string): Promise<number[]> => [
    await status(broker?.opsPort, path),
    await status(broker?.metricsPort, path),
  ];
  expect(await both("/livez")).toEqual([200, 404]);
  expect(await both("/readyz")).toEqual([200, 404]);
  expect(await both("/metrics")).toEqual([404, 200]);
  expect(await both("/")).toEqual([404, 200]);
  expect(await both("/status.json")).toEqual([404, 200]);
});

test("a certificate out of date does not replace one that is in date", async () => {
  const [broker] = brokers;
  if (broker === undefined) throw new Error("the first broker runs");
  const counts = async (): Promise<number[]> => {
    const text = await metricsOf(broker);
    return ["reloads", "reload_failures"].map((name) =>
      Number(new RegExp(`^varve_tls_${name}_total (\\d+)$`, "m").exec(text)?.[1]),
    );
  };
  const inAnHour = new Date(Date.now() + 3_600_000);
  for (const life of [{ notAfter: SECOND_AGO() }, { notBefore: inAnHour }]) {
    const [reloads, failures = 0] = await counts();
    await certificates.issuePeer(CLUSTER, { name: "peer-1", ...life });
    await vi.waitFor(async () => expect((await counts())[1]).toBeGreaterThan(failures + 1), STATE);
    expect((await counts())[0]).toBe(reloads);
  }
});

test("renewed certificates are used without a restart, no stream breaks, and the metric tells the new end", async () => {
  const [broker] = brokers;
  if (broker === undefined) throw new Error("the first broker runs");
  const varve = known();
  const producer = varve.producer();
  await producer.send({ topic: TOPIC, value: "before" });
  const leaders = async (): Promise<unknown[]> =>
    (await varve.admin.describeTopic(TOPIC)).partitions.map(({ leader, epoch }) => [leader, epoch]);
  const before = await leaders();
  const ends = async (): Promise<string[]> =>
    (await metricsOf(broker)).split("\n").filter((line) => line.startsWith(`${EXPIRY}{`));
  const notAfter = new Date(Math.ceil(Date.now() / 1_000) * 1_000 + 90 * 86_400_000);
  await certificates.issue({ ...LOCAL, name: "broker-1", notAfter });
  await certificates.issuePeer(CLUSTER, { name: "peer-1", notAfter });
  const renewed = (listener: string): string =>
    `${EXPIRY}{listener="${listener}",certificate="own"} ${notAfter.getTime() / 1_000}`;
  await vi.waitFor(
    async () => expect(await ends()).toEqual(expect.arrayContaining([renewed("clients"), renewed("peers")])),
    STATE,
  );
  expect(await ends()).toHaveLength(4);
  await producer.send({ topic: TOPIC, value: "after" });
  expect(await leaders()).toEqual(before);
  await known().admin.listTopics();
});

test("brokers that start with expired certificates found their cluster once those are renewed, without a restart", async () => {
  const places = await findFreePorts(3);
  const seeds = places.map(({ peer }) => `127.0.0.1:${peer}`);
  const { caFile } = certificates;
  const renew = (id: number, notAfter?: Date): Promise<CertificateFiles> =>
    certificates.issuePeer(CLUSTER, { name: `late-peer-${id}`, ...(notAfter === undefined ? {} : { notAfter }) });
  const late = await Promise.all(
    [1, 2, 3].map(async (brokerId) => {
      const listen = { grpcPort: 0, peerPort: places[brokerId - 1]?.peer ?? 0, opsPort: 0 };
      const dataDir = join(certificates.folder, `late-${brokerId}`);
      const peerTls = { ...(await renew(brokerId, SECOND_AGO())), caFile };
      const config = parseConfig({
        brokerId,
        dataDir,
        host: `machine-${brokerId}`,
        cluster: { seeds },
        listen,
        peerTls,
      });
      return runBroker(config, { logger: silentLogger, watchProcess: false });
    }),
  );
  try {
    const refused = async (): Promise<string> => (await fetch(`http://127.0.0.1:${late[0]?.opsPort}/metrics`)).text();
    await vi.waitFor(async () => expect(await refused()).toMatch(/^varve_tls_refused_total [1-9]/m), STATE);
    expect(late.map(({ broker }) => broker.facts().clusterId)).toEqual([null, null, null]);
    await Promise.all([1, 2, 3].map((id) => renew(id)));
    await Promise.all(late.map(({ ready }) => ready));
    expect(late.map(({ broker }) => broker.facts().clusterId)).toEqual([CLUSTER, CLUSTER, CLUSTER]);
  } finally {
    await Promise.all(late.map((broker) => broker.kill()));
  }
});
