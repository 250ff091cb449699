/** testing.test.ts: that the simulated faults are the faults they claim to be. */
import type { LinkConnection } from "@varve/base";
import { nodeClock } from "@varve/base/node";
import { Prng, SimClock } from "@varve/base/testing";
import { afterEach, expect, test } from "vitest";
import { nodeLink } from "../node/link.js";
import { MessageFaults } from "./message-faults.js";
import { eventually, patternBytes, Rig, testSeed } from "./rig.js";
import { SimNetwork } from "./sim-network.js";
import { partitionableLink, Switchboard } from "./switchboard.js";

const seed = testSeed();

async function wire(): Promise<{ clock: SimClock; network: SimNetwork; near: LinkConnection; far: LinkConnection }> {
  const clock = new SimClock();
  const network = new SimNetwork({ clock, prng: new Prng(seed) });
  const accepted: LinkConnection[] = [];
  await network.host("b").listen("b", 5, (connection) => accepted.push(connection));
  const near = network.host("a").dial("b:5");
  await clock.runUntil(10);
  const [far] = accepted;
  if (far === undefined) throw new Error("not accepted");
  return { clock, network, near, far };
}

test(`simulated bytes arrive in order, also across a pause, a clog and a late start (SEED=${seed})`, async () => {
  const { clock, network, near, far } = await wire();
  const prng = new Prng(seed);
  near.start({ onData: () => {}, onClose: () => {} });
  const heard: Uint8Array[] = [];
  let sentBytes = 0;
  const all: Uint8Array[] = [];
  for (let round = 0; round < 300; round++) {
    if (round === 20) far.start({ onData: (chunk) => heard.push(chunk), onClose: () => {} });
    const bytes = patternBytes(prng.between(1, 5_000), round);
    all.push(bytes);
    sentBytes += bytes.length;
    near.write([bytes.subarray(0, 1), bytes.subarray(1)]);
    const fault = prng.between(0, 9);
    if (fault === 0) network.clog("a", "b");
    if (fault === 1) network.unclog("a", "b");
    if (fault === 2) far.pause();
    if (fault === 3) far.resume();
    await clock.runUntil(clock.monotonicMs() + prng.between(0, 3));
  }
  network.unclog("a", "b");
  far.resume();
  await clock.runUntil(clock.monotonicMs() + 100);
  expect(heard.reduce((sum, chunk) => sum + chunk.length, 0)).toBe(sentBytes);
  expect(Buffer.compare(Buffer.concat(heard), Buffer.concat(all))).toBe(0);
  expect(near.bufferedBytes).toBe(0);
});

test("a paused reader makes its writer's bytes pile up, and drain is told once they are taken", async () => {
  const { clock, near, far } = await wire();
  let drains = 0;
  near.start({ onData: () => {}, onClose: () => {}, onDrain: () => drains++ });
  far.start({ onData: () => {}, onClose: () => {} });
  far.pause();
  near.write([new Uint8Array(1_000_000)]);
  await clock.runUntil(100);
  expect(near.bufferedBytes).toBeGreaterThan(500_000);
  expect(drains).toBe(0);
  far.resume();
  await clock.runUntil(200);
  expect(near.bufferedBytes).toBe(0);
  expect(drains).toBe(1);
});

test.each([
  { why: "nobody listens", address: "b:6", want: "refused" },
  { why: "the host crashed", address: "b:5", crash: true, want: "refused" },
])("a dial is $want when $why", async ({ address, crash, want }) => {
  const { clock, network } = await wire();
  if (crash) network.crash("b");
  const reasons: string[] = [];
  network
    .host("a")
    .dial(address)
    .start({ onData: () => {}, onClose: (reason) => reasons.push(reason) });
  await clock.runUntil(50);
  expect(reasons).toEqual([want]);
});

test("a crashed host hears nothing and says nothing; its peer hears a reset", async () => {
  const { clock, network, near, far } = await wire();
  const reasons: string[] = [];
  near.start({ onData: () => {}, onClose: (reason) => reasons.push(reason) });
  far.start({ onData: () => reasons.push("far data"), onClose: () => reasons.push("far close") });
  near.write([new Uint8Array(5)]);
  network.crash("b");
  far.write([new Uint8Array(5)]);
  await clock.runUntil(50);
  expect(reasons).toEqual(["reset"]);
});

test(`message faults drop, repeat and delay about as often as told, and stop when cleared (SEED=${seed})`, async () => {
  const clock = new SimClock();
  const faults = new MessageFaults(clock, new Prng(seed));
  const heard: number[] = [];
  const { onMessage, detach } = faults.attach(2, (_from, _lane, kind) => heard.push(kind));
  const say = (kind: number): void => onMessage(1, "bulk", kind, new Uint8Array(0));
  faults.set(1, 2, { dropRatio: 0.3, duplicateRatio: 0.3, delayRatio: 0.3, delayMsMax: 10 });
  for (let kind = 0; kind < 1_000; kind++) say(kind);
  await clock.runUntil(20);
  const distinct = new Set(heard).size;
  expect(distinct).toBeGreaterThan(600);
  expect(distinct).toBeLessThan(800);
  expect(heard.length - distinct).toBeGreaterThan(120);
  expect(heard.some((kind, at) => kind < (heard[at - 1] ?? 0))).toBe(true);
  heard.length = 0;
  faults.clear();
  say(1);
  expect(heard).toEqual([1]);
  faults.setDefault({ delayRatio: 1, delayMsMax: 10 });
  say(2);
  detach();
  await clock.runUntil(50);
  expect(heard).toEqual([1]);
});

const rigs: Rig[] = [];

afterEach(() => {
  for (const rig of rigs.splice(0)) rig.hub.destroy();
});

async function cluster(): Promise<{ switchboard: Switchboard; brokers: Rig[] }> {
  const switchboard = new Switchboard();
  const addresses: string[] = [];
  const brokers: Rig[] = [];
  for (const brokerId of [1, 2, 3]) {
    const rig = new Rig({ brokerId, link: partitionableLink(nodeLink, brokerId, switchboard) });
    rigs.push(rig);
    brokers.push(rig);
    addresses.push(`127.0.0.1:${(await rig.hub.listen("127.0.0.1", 0)).port}`);
  }
  for (const rig of brokers) for (const address of addresses) rig.hub.connect(address);
  await eventually("all up", () => brokers.every((rig) => rig.hub.connected().length === 2));
  return { switchboard, brokers };
}

test("a switchboard partitions brokers over real sockets: silence, timeout, no dial through, and all back after heal", async () => {
  const { switchboard, brokers } = await cluster();
  const [one, two, three] = brokers as [Rig, Rig, Rig];
  switchboard.partition([1], [2, 3]);
  one.hub.send(2, "control", 7, []);
  two.hub.send(1, "control", 8, []);
  two.hub.send(3, "control", 9, []);
  await eventually(
    "found on both sides",
    () => one.downs.length === 2 && two.downs.length === 1 && three.downs.length === 1,
  );
  expect(brokers.flatMap((rig) => rig.downs.map((down) => down.reason))).toEqual([
    "timeout",
    "timeout",
    "timeout",
    "timeout",
  ]);
  expect(one.messages).toEqual([]);
  expect(two.messages).toEqual([]);
  expect(three.messages.map((message) => message.kind)).toEqual([9]);
  expect(two.hub.isConnected(3)).toBe(true);
  switchboard.heal();
  await eventually("all up again", () => brokers.every((rig) => rig.hub.connected().length === 2));
});

test("a short partition that heals before anyone gives up loses nothing", async () => {
  const { switchboard, brokers } = await cluster();
  const [one, two] = brokers as [Rig, Rig, Rig];
  switchboard.partition([1], [2]);
  for (let kind = 0; kind < 20; kind++) one.hub.send(2, "bulk", kind, [new Uint8Array(100_000)]);
  const startMs = nodeClock.monotonicMs();
  await eventually("half a second", () => nodeClock.monotonicMs() - startMs > 500);
  expect(two.messages).toEqual([]);
  switchboard.heal();
  await eventually("all arrived", () => two.messages.length === 20);
  expect(one.downs).toEqual([]);
});

test("a one-way block lets a request through and holds its answer", async () => {
  const { switchboard, brokers } = await cluster();
  const [one, two] = brokers as [Rig, Rig, Rig];
  let handled = 0;
  two.hub.handleCall(1, async (_from, payload) => {
    handled++;
    return payload;
  });
  switchboard.block(2, 1);
  const call = one.hub.call(2, 1, new Uint8Array(5), { timeoutMs: 300 });
  await expect(call).rejects.toMatchObject({ code: "TIMEOUT", effect: "UNKNOWN" });
  expect(handled).toBe(1);
  switchboard.heal();
  expect((await one.hub.call(2, 1, new Uint8Array(5), { timeoutMs: 5_000 })).length).toBe(5);
});

test("a broker killed behind a partition is learned of only after the partition", async () => {
  const { switchboard, brokers } = await cluster();
  const [one, two] = brokers as [Rig, Rig, Rig];
  switchboard.partition([1], [2, 3]);
  two.hub.destroy();
  const startMs = nodeClock.monotonicMs();
  await eventually("half a second", () => nodeClock.monotonicMs() - startMs > 500);
  expect(one.downs).toEqual([]);
  switchboard.heal();
  await eventually("learned", () => one.downs.some((down) => down.brokerId === 2 && down.reason === "refused"));
});
