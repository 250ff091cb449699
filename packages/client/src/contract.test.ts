/** contract.test.ts: the documented examples compile as they stand, for users with the strictest settings, and over real sockets they run. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { RpcServer } from "@varve/rpc";
import { createServer } from "@varve/rpc/node";
import { afterEach, expect, test, vi } from "vitest";
import { Varve, VarveError } from "./index.js";
import { clientClock } from "./node/clock.js";
import { ModelCluster, ModelGroups } from "./testing/index.js";

const repositoryDir = fileURLToPath(new URL("../../..", import.meta.url));
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const EXAMPLE = `
import { Varve, VarveError, json } from "@varve/client";
const varve = new Varve({ bootstrap: "127.0.0.1:7650" });
await varve.admin.createTopic({ topic: "orders", partitions: 6, replicas: 3, config: { retentionMs: 604_800_000 }, ifNotExists: true });
for (const { topic, topicId, partitions, replicas } of await varve.admin.listTopics()) console.log(topic, topicId, partitions + replicas);
const description = await varve.admin.describeTopic("orders");
const lag: number = description.partitions.reduce((sum, each) => sum + each.highWatermark - each.logStart, 0);
const leader: number | null | undefined = description.partitions[0]?.leader;
await varve.admin.alterTopic({ topic: "orders", config: { retentionBytes: 1e9 } });
await varve.admin.addPartitions({ topic: "orders", partitions: 12 });
await varve.admin.listOffsets({ topic: "orders", at: "earliest" });
const offsets: { partition: number; offset: number }[] = await varve.admin.listOffsets({ topic: "orders", at: { timeMs: 1 } });
const { clusterId, controller, brokers } = await varve.admin.describeCluster();
await varve.admin.transferLeadership({ topic: "orders", partition: 0, to: 2 });
await varve.admin.deleteTopic("orders");
const producer = varve.producer();
const { partition, offset } = await producer.send({ topic: "orders", key: "42", value: "paid", headers: { source: "web" } });
await producer.sendBatch({ topic: "orders", records: [{ key: "1", value: "a" }, { key: "2", value: "b" }] });
await producer.send({ topic: "orders", key: Buffer.from("k"), value: new Uint8Array(3), headers: undefined, partition: undefined }, { signal: undefined });
await producer.flush();
await producer.close();
for await (const record of varve.reader({ topic: "orders", from: "earliest", to: "end" })) {
  const key: Buffer | null = record.key;
  const value: Buffer | null = record.value;
  const headers: Record<string, Buffer> = record.headers;
  const rawHeaders: [string, Buffer | null][] = record.rawHeaders;
  console.log(record.topic, record.partition, record.offset, record.timestampMs, key, value, headers, rawHeaders);
}
varve.reader({ topic: "orders", partitions: [0], from: { offset: 0 }, to: { offset: 100 } });
const reader = varve.reader({ topic: "orders", from: { timeMs: Date.now() - 3_600_000 }, maxRecordsPerSecond: 1_000 });
const { read, total, ratio, etaMs } = reader.progress;
interface Order { id: number }
const typed = varve.producer<Order>({ serde: json<Order>(), acks: "leader", lingerMs: undefined });
await typed.send({ topic: "orders", value: { id: 1 } });
for await (const record of varve.reader({ topic: "orders", to: "end", serde: json<Order>() })) console.log(record.value?.id);
await varve.admin.listGroups();
const group = await varve.admin.describeGroup("billing");
const members: { id: string; staticId: string | null; assigned: { topic: string; partition: number }[] }[] = group.members;
const lags: (number | null)[] = group.offsets.map(({ topic, partition, committed, lagRecords, lagMs }) => topic + partition + committed === "" ? lagRecords : lagMs);
await varve.admin.seekGroup({ group: "billing", topic: "orders", to: "earliest" });
await varve.admin.seekGroup({ group: "billing", topic: "orders", partition: 1, to: { offset: 7 } });
await varve.admin.seekGroup({ group: "billing", topic: "orders", to: { timeMs: Date.now() } });
await varve.admin.deleteGroup("billing");
const consumer = varve.consumer({ group: "billing", topics: ["orders"], staticId: process.env.POD_NAME });
consumer.on("assigned", ({ partitions }) => console.log(partitions.map(({ topic, partition, startOffset }) => topic + partition + startOffset)));
consumer.on("stalled", ({ reason }) => console.log(reason)).on("lost", ({ error }) => console.log(error.code)).on("revoked", () => {}).on("error", (error) => console.log(error));
await consumer.run({
  concurrency: 8,
  handler: async (record, { signal, attempt }) => { console.log(record.value?.toString(), signal.aborted, attempt); },
  onError: (error, record) => (record.offset === 3 ? "skip" : "retry"),
});
for await (const record of consumer) console.log(record.offset);
await consumer.pause(["orders"]); await consumer.resume([{ topic: "orders", partitions: [1] }]);
await consumer.seek({ topic: "orders", partition: 0, offset: 100 });
await consumer.commit();
await consumer.close();
const exact = varve.consumer<Order>({
  group: "ledger", topics: ["orders"], autoCommit: false, serde: json<Order>(),
  onAssign: async (parts, { epoch }) => (epoch > 0 ? parts.map(({ topic, partition }) => ({ topic, partition, offset: 0 })) : undefined),
  onRevoke: async (parts) => console.log(parts.length, members, lags),
});
await exact.run({ handler: async (record) => console.log(record.value?.id) });
try {
  await typed.send({ topic: "orders", value: null }, { signal: AbortSignal.timeout(100) });
} catch (error) {
  if (error instanceof VarveError && error.code === "UNKNOWN_TOPIC" && error.effect === "NOT_APPLIED" && !error.retryable) console.log(error.details, error.cause);
}
// @ts-expect-error a value that is no bytes, text or number needs a serde
await producer.send({ topic: "orders", value: { id: 1 } });
// @ts-expect-error not a code of the catalogue
if (new VarveError("CLOSED", { message: "" }).code === "NO_SUCH_CODE") console.log(lag, leader, offsets, clusterId, controller, brokers, partition, offset, read, total, ratio, etaMs);
await varve.close();
`;

test.each([{ exactOptionalPropertyTypes: true }, { exactOptionalPropertyTypes: false }])(
  "the documented examples compile under strict and without skipLibCheck, %j",
  (more) => {
    const dir = mkdtempSync(join(tmpdir(), "varve-types-"));
    cleanups.push(() => rmSync(dir, { recursive: true }));
    mkdirSync(join(dir, "node_modules"));
    for (const name of ["@varve", "@types", "undici-types"])
      symlinkSync(join(repositoryDir, "node_modules", name), join(dir, "node_modules", name));
    writeFileSync(join(dir, "package.json"), '{ "type": "module" }');
    writeFileSync(join(dir, "example.ts"), EXAMPLE);
    const compilerOptions = {
      strict: true,
      skipLibCheck: false,
      noEmit: true,
      module: "nodenext",
      target: "es2022",
      types: ["node"],
      ...more,
    };
    writeFileSync(join(dir, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["example.ts"] }));
    const tsc = join(repositoryDir, "node_modules/.bin/tsc");
    const output = (() => {
      try {
        return execFileSync(tsc, ["-p", dir], { encoding: "utf8" });
      } catch (error) {
        return String((error as { readonly stdout?: unknown }).stdout);
      }
    })();
    expect(output).toBe("");
  },
);

test("require() works: there is no top-level await", () => {
  const loaded: unknown = createRequire(import.meta.url)("@varve/client");
  expect(loaded).toHaveProperty("Varve");
});

/** A model cluster behind real sockets. */
async function listen(brokers: number) {
  const servers: RpcServer[] = [];
  const addresses: string[] = [];
  const model = new ModelCluster({ clock: clientClock, addresses, forwards: false });
  const groups = new ModelGroups(model, clientClock);
  const start = async (at: number, port: number): Promise<number> => {
    const server = createServer();
    server.addLogService(model.log(at + 1));
    server.addGroupService(groups.handlers());
    server.addAdminService(model.admin());
    servers[at] = server;
    return (await server.start("127.0.0.1", port)).port;
  };
  for (let at = 0; at < brokers; at++) addresses[at] = `127.0.0.1:${await start(at, 0)}`;
  const varve = new Varve({ bootstrap: addresses });
  cleanups.push(
    () => servers.map((server) => server.destroy()),
    () => varve.close(),
  );
  return {
    model,
    groups,
    servers,
    addresses,
    varve,
    restart: (at: number) => start(at, Number(addresses[at]?.split(":")[1])),
  };
}

test("over sockets: brokers are killed and restarted one after another under load; nothing is lost, doubled or out of order", async () => {
  const { model, servers, varve, restart } = await listen(3);
  model.createTopic("t", 3);
  const producer = varve.producer();
  const seen: number[][] = [[], [], []];
  const following = (async () => {
    for await (const { partition, value } of varve.reader({ topic: "t" }))
      seen[partition]?.push(Number(value?.toString()));
  })().catch((error: unknown) => error);
  const sends: Promise<unknown>[] = [];
  let sent = 0;
  const loading = setInterval(() => {
    for (let burst = 0; burst < 20; burst++)
      sends.push(producer.send({ topic: "t", partition: sent % 3, value: String(sent++) }));
  }, 5);
  cleanups.push(() => clearInterval(loading));
  const goesOn = async (): Promise<void> => {
    const before = seen.flat().length;
    await vi.waitFor(() => expect(seen.flat().length).toBeGreaterThan(before + 100), 15_000);
  };
  for (const at of [0, 1, 2]) {
    servers[at]?.destroy();
    for (const partition of [0, 1, 2]) {
      const log = model.partition("t", partition);
      if (log.leader === at + 1) log.moveTo(((at + 1) % 3) + 1);
    }
    await goesOn();
    await restart(at);
    await goesOn();
  }
  clearInterval(loading);
  await Promise.all(sends);
  await vi.waitFor(() => expect(seen.flat()).toHaveLength(sent), 15_000);
  for (const partition of [0, 1, 2]) {
    expect(seen[partition]).toEqual(
      Array.from({ length: seen[partition]?.length ?? 0 }, (_, at) => 3 * at + partition),
    );
  }
  await varve.close();
  expect(await following).toMatchObject({ code: "CLOSED" });
});

test("over sockets: two members work through a topic while brokers are killed and restarted; all is worked on in order of keys, and committed", async () => {
  const { model, groups, servers, addresses, varve, restart } = await listen(3);
  model.createTopic("t", 4);
  const other = new Varve({ bootstrap: addresses });
  cleanups.push(() => other.close());
  const seen = new Map<string, number[]>();
  const failures: unknown[] = [];
  const consumers = [varve, other].map((each) => each.consumer({ group: "g", topics: ["t"], sessionTimeoutMs: 5_000 }));
  const runs = consumers.map((consumer) =>
    consumer
      .run({
        concurrency: 4,
        handler: async ({ partition, key, offset }) => {
          const lane = `${partition}/${key}`;
          await new Promise((resolve) => setTimeout(resolve, 1));
          seen.set(lane, [...(seen.get(lane) ?? []), offset]);
        },
      })
      .catch((error: unknown) => failures.push(error)),
  );
  const producer = varve.producer();
  const sends: Promise<unknown>[] = [];
  const handled = (): number => [...seen.values()].reduce((sum, offsets) => sum + offsets.length, 0);
  const moreIsHandled = async (): Promise<void> => {
    const before = handled();
    for (let each = 0; each < 200; each++)
      sends.push(producer.send({ topic: "t", key: String(each % 16), value: "x" }));
    await vi.waitFor(() => expect(handled()).toBeGreaterThan(before), 30_000);
  };
  for (const at of [0, 1, 2]) {
    await moreIsHandled();
    servers[at]?.destroy();
    for (const partition of [0, 1, 2, 3]) {
      const log = model.partition("t", partition);
      if (log.leader === at + 1) log.moveTo(((at + 1) % 3) + 1);
    }
    await moreIsHandled();
    await restart(at);
  }
  await Promise.all(sends);
  const isCommitted = (partition: number): boolean =>
    groups.committed("g", "t", partition) === model.partition("t", partition).nextOffset;
  await vi.waitFor(() => expect([0, 1, 2, 3].every(isCommitted)).toBe(true), 15_000);
  expect(consumers.map(({ assigned }) => assigned.length)).toEqual([2, 2]);
  await Promise.all(consumers.map((consumer) => consumer.close()));
  await Promise.all(runs);
  expect(failures).toEqual([]);
  expect(groups.members("g")).toEqual([]);
  expect(new Set([...seen.values()].flat()).size).toBeGreaterThan(0);
  expect([...seen.values()].reduce((sum, list) => sum + new Set(list).size, 0)).toBe(1_200);
});

test("over sockets: nobody listening is UNREACHABLE with what to do, and the message names the address", async () => {
  const varve = new Varve({ bootstrap: "127.0.0.1:1", requestDeadlineMs: 300 });
  cleanups.push(() => varve.close());
  const error = await varve.admin.listTopics().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(VarveError);
  expect(error).toMatchObject({ code: "UNREACHABLE", effect: "NONE", details: { address: "127.0.0.1:1" } });
  expect((error as Error).message).toContain("127.0.0.1:1");
});

test("a program that closed its client ends by itself, and printed nothing of its own", async () => {
  const { addresses, model } = await listen(1);
  model.createTopic("t", 1);
  const program = `import { Varve } from "@varve/client";
    const varve = new Varve({ bootstrap: ${JSON.stringify(addresses[0])} });
    await varve.producer().send({ topic: "t", value: "x" });
    for await (const record of varve.reader({ topic: "t", to: "end" })) console.log(record.value.toString());
    for await (const record of varve.consumer({ group: "g", topics: ["t"] })) { console.log("group", record.offset); break; }
    const consumer = varve.consumer({ group: "g", topics: ["t"] });
    await consumer.run({ handler: () => void consumer.close() });
    await varve.close();`;
  const { execFile } = await import("node:child_process");
  const output = await new Promise((resolve) => {
    const options = { cwd: join(repositoryDir, "packages/client"), timeout: 10_000 };
    execFile(process.execPath, ["--input-type=module", "--eval", program], options, (error, stdout, stderr) =>
      resolve({ error, stdout, stderr }),
    );
  });
  expect(output).toEqual({ error: null, stdout: "x\ngroup 0\n", stderr: "" });
});
