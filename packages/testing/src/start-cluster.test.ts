/**
 * start-cluster.test.ts: what a test may believe of the test cluster: it starts, a killed broker forgets what it had not synced and
 * nothing else, a cut is a cut until it heals, and nothing is left after `close`.
 */
import { connect, createServer } from "node:net";
import { type Disk, isVarveError } from "@varve/base";
import type { Varve } from "@varve/client";
import { SimDisk } from "@varve/storage/testing";
import { afterEach, expect, test, vi } from "vitest";
import { freePorts } from "./free-ports.js";
import { startCluster, type TestCluster } from "./index.js";

vi.mock("./free-ports.js", { spy: true });

const STATE = { timeout: 10_000, interval: 20 };

let cluster: TestCluster | null = null;

async function start(brokers: number): Promise<TestCluster> {
  cluster = await startCluster({ brokers });
  return cluster;
}

afterEach(async () => {
  vi.restoreAllMocks();
  await cluster?.close();
  cluster = null;
});

async function valuesOf(varve: Varve): Promise<string[]> {
  const values: string[] = [];
  for await (const record of varve.reader({ topic: "orders", from: "earliest", to: "end" })) {
    values.push(String(record.value));
  }
  return values;
}

async function leaderOf(varve: Varve): Promise<number | null> {
  const { partitions } = await varve.admin.describeTopic("orders");
  return partitions[0]?.leader ?? null;
}

/** Whether somebody accepts connections there. */
function isOpen(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(Number(address.slice(address.lastIndexOf(":") + 1)), "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

const sockets = (): number =>
  process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap" || name === "TCPServerWrap").length;

test("three brokers start, all of them ready, and each answers", async () => {
  const running = await start(3);
  const { bootstrap } = running;
  expect(running.brokerIds).toEqual([1, 2, 3]);
  const { brokers } = await running.varve().admin.describeCluster();
  expect(brokers.map(({ id, address, ready }) => ({ id, address, ready }))).toEqual(
    bootstrap.map((address, at) => ({ id: at + 1, address, ready: true })),
  );
  expect(await Promise.all(bootstrap.map(isOpen))).toEqual([true, true, true]);
});

test.each([{ brokers: 0 }, { brokers: 10 }, { brokers: 1.5 }, { brokers: Number.NaN }, { seed: -1 }])(
  "$brokers brokers, seed $seed are refused, and nothing is started",
  async (options) => {
    const before = sockets();
    const error: unknown = await startCluster(options).catch((thrown: unknown) => thrown);
    expect(isVarveError(error) && error.code).toBe("INVALID_ARGUMENT");
    expect(sockets()).toBe(before);
  },
);

test("kill: bytes that were written and not synced are gone, what was acknowledged is there", async () => {
  const running = await start(1);
  const varve = running.varve();
  await varve.admin.createTopic({ topic: "orders", partitions: 1, replicas: 1 });
  await varve.producer().send({ topic: "orders", value: "synced" });

  // From here on no sync returns, as when the power goes off within it.
  vi.spyOn(SimDisk.prototype, "syncNow").mockReturnValue(false);
  const written: string[] = [];
  const writeNow = SimDisk.prototype.writeNow;
  vi.spyOn(SimDisk.prototype, "writeNow").mockImplementation(function (this: SimDisk, path, bytes, position) {
    written.push(Buffer.from(bytes).toString("latin1"));
    return writeNow.call(this, path, bytes, position);
  });
  await varve.producer({ acks: "none" }).send({ topic: "orders", value: "never-synced" });
  await vi.waitFor(() => expect(written.join("")).toContain("never-synced"), STATE);

  await running.kill(1);
  vi.restoreAllMocks();
  await running.restart(1);
  expect(await valuesOf(running.varve())).toEqual(["synced"]);
});

test("kill: what a killed broker left running reaches its own disk no more, so its successor's files are safe", async () => {
  const running = await start(1);
  const given: Disk[] = [];
  const open = vi.spyOn(SimDisk.prototype, "process").mockImplementation(function (this: SimDisk) {
    open.mockRestore();
    const disk = this.process();
    given.push(disk);
    return disk;
  });
  await running.kill(1);
  await running.restart(1);
  const leftover = given[0];
  await leftover?.makeDir("/broker-1/seen");
  expect(await leftover?.list("/broker-1")).toContain("seen");

  await running.kill(1);
  await running.restart(1);
  const late = vi.fn();
  void leftover?.removeDir("/broker-1").then(late, late);
  await running.varve().admin.createTopic({ topic: "orders", partitions: 1, replicas: 1 });
  await running.varve().producer().send({ topic: "orders", value: "safe" });
  expect(await valuesOf(running.varve())).toEqual(["safe"]);
  expect(late).not.toHaveBeenCalled();
});

test("kill: the others go on, and the killed broker comes back on its disk and its ports", async () => {
  const running = await start(3);
  const varve = running.varve();
  await varve.admin.createTopic({ topic: "orders", partitions: 1, replicas: 3 });
  const producer = varve.producer();
  await producer.send({ topic: "orders", value: "before" });
  const leader = (await leaderOf(varve)) ?? 0;
  const address = running.bootstrap[leader - 1] ?? "";

  await running.kill(leader);
  expect(await isOpen(address)).toBe(false);
  await producer.send({ topic: "orders", value: "meanwhile" });
  expect(await leaderOf(varve)).not.toBe(leader);

  await running.restart(leader);
  expect(await isOpen(address)).toBe(true);
  // One of the other two goes: only with the one that came back is there a majority.
  await running.kill((leader % 3) + 1);
  await producer.send({ topic: "orders", value: "after" });
  expect(await valuesOf(varve)).toEqual(["before", "meanwhile", "after"]);
});

test("partition: a leader that is cut off loses the lead; heal: it is one of the majority again", async () => {
  const running = await start(3);
  const varve = running.varve();
  await varve.admin.createTopic({ topic: "orders", partitions: 1, replicas: 3 });
  const producer = varve.producer();
  await producer.send({ topic: "orders", value: "before" });
  const cut = (await leaderOf(varve)) ?? 0;
  const others = running.brokerIds.filter((id) => id !== cut);

  running.partition([cut], others, { clients: "both" });
  await producer.send({ topic: "orders", value: "meanwhile" });
  const next = await vi.waitFor(async () => {
    const leader = await leaderOf(varve);
    expect(others).toContain(leader);
    return leader ?? 0;
  }, STATE);
  running.heal();
  await running.kill(others.find((id) => id !== next) ?? 0);
  await producer.send({ topic: "orders", value: "after" });
  expect(await valuesOf(varve)).toEqual(["before", "meanwhile", "after"]);
});

test("a port that is taken between choosing and binding does not matter", async () => {
  const chosen = await freePorts(2);
  const squatter = createServer();
  await new Promise<void>((resolve) => squatter.listen(chosen[0], "127.0.0.1", resolve));
  vi.mocked(freePorts).mockResolvedValueOnce(chosen);
  const running = await start(1);
  expect(running.bootstrap).not.toEqual([`127.0.0.1:${chosen[0]}`]);
  expect(await running.varve().admin.listTopics()).toEqual([]);
  await new Promise((resolve) => squatter.close(resolve));
});

test("close leaves nothing: no listener, no connection", async () => {
  // Sockets of the tests above may still be closing.
  await vi.waitFor(() => expect(sockets()).toBe(0), STATE);
  const running = await start(3);
  const varve = running.varve();
  await varve.admin.createTopic({ topic: "orders", partitions: 1, replicas: 3 });
  await varve.producer().send({ topic: "orders", value: "paid" });
  expect(sockets()).toBeGreaterThan(0);

  await running.close();
  expect(await Promise.all(running.bootstrap.map(isOpen))).toEqual([false, false, false]);
  await vi.waitFor(() => expect(sockets()).toBe(0), STATE);
});
