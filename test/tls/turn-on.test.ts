/** turn-on.test.ts: a cluster that runs in plain text gets TLS on both ports, as runbooks/rotate-certs.md says: all brokers stop, then all start. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { silentLogger } from "@varve/base";
import { parseConfig } from "@varve/broker";
import { type RunningBroker, runBroker } from "@varve/broker/node";
import { Varve } from "@varve/client";
import { findFreePorts } from "varve";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Certificates, LOCAL } from "./kit.js";

const TOPIC = "kept";
const IDS = [1, 2, 3];
let certificates: Certificates;
let ports: Awaited<ReturnType<typeof findFreePorts>> = [];
let brokers: RunningBroker[] = [];

beforeAll(async () => {
  certificates = await Certificates.create();
  ports = await findFreePorts(IDS.length);
});
afterAll(async () => {
  await Promise.all(brokers.map((broker) => broker.kill()));
  certificates.remove();
});

/** Starts all brokers on their folders and waits until they are ready. */
async function startAll(security: Readonly<Record<string, unknown>>): Promise<void> {
  const starting = IDS.map((brokerId, at) => {
    const dataDir = join(certificates.folder, `broker-${brokerId}`);
    mkdirSync(dataDir, { recursive: true });
    const { grpc = 0, peer = 0 } = ports[at] ?? {};
    const config = {
      brokerId,
      dataDir,
      host: `machine-${brokerId}`,
      cluster: { seeds: ports.map((port) => `127.0.0.1:${port.peer}`) },
      listen: { grpcPort: grpc, peerPort: peer, opsPort: 0 },
      ...security,
    };
    return runBroker(parseConfig(config), { logger: silentLogger, watchProcess: false });
  });
  brokers = await Promise.all(starting);
  await Promise.all(brokers.map(({ ready }) => ready));
}

const connect = (tls?: ConstructorParameters<typeof Varve>[0]["tls"]): Varve =>
  new Varve({ bootstrap: ports.map(({ grpc }) => `127.0.0.1:${grpc}`), tls });

async function valuesOf(client: Varve): Promise<string[]> {
  const values: string[] = [];
  for await (const { value } of client.reader({ topic: TOPIC, from: "earliest", to: "end" }))
    values.push(String(value));
  return values.sort();
}

test("what was acknowledged in plain text is there after all brokers came back with TLS", async () => {
  await startAll({});
  const plain = connect();
  await plain.admin.createTopic({ topic: TOPIC, partitions: 3, replicas: 3 });
  const producer = plain.producer();
  await Promise.all(["a", "b", "c"].map((value) => producer.send({ topic: TOPIC, key: value, value })));
  const { clusterId } = await plain.admin.describeCluster();
  await plain.close();
  await Promise.all(brokers.map((broker) => broker.stop()));

  const { caFile } = certificates;
  const tls = { ...(await certificates.issue({ ...LOCAL, name: "broker" })), caFile, clientAuth: "required" };
  await startAll({ tls, peerTls: { ...(await certificates.issuePeer(clusterId, { name: "peer" })), caFile } });
  const secured = connect({ caFile, ...(await certificates.issue()) });
  expect(await secured.admin.describeCluster()).toMatchObject({ clusterId });
  expect(await valuesOf(secured)).toEqual(["a", "b", "c"]);
  await secured.close();
});
