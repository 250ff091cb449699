/** hub.sim.test.ts: hubs on a simulated network: silence, clogs, resets, crashes, restarts; and that one seed is one history. */
import { isVarveError } from "@varve/base";
import { Prng, SimClock } from "@varve/base/testing";
import { expect, test } from "vitest";
import { Rig, type RigOptions, simEventually, testSeed } from "./testing/rig.js";
import { SimNetwork } from "./testing/sim-network.js";

const seed = testSeed();

class Sim {
  readonly clock = new SimClock();
  readonly prng: Prng;
  readonly network: SimNetwork;

  constructor(simSeed: number) {
    this.prng = new Prng(simSeed);
    this.network = new SimNetwork({ clock: this.clock, prng: this.prng.fork() });
  }

  /** Broker `id` on host `h<id>`, listening on port 1. */
  async broker(id: number, options: Partial<RigOptions> = {}): Promise<Rig> {
    const link = this.network.host(`h${id}`);
    const rig = new Rig({ brokerId: id, link, clock: this.clock, random: this.prng.fork(), ...options });
    await rig.hub.listen(`h${id}`, 1);
    return rig;
  }

  eventually(what: string, condition: () => boolean, withinMs?: number): Promise<void> {
    return simEventually(this.clock, what, condition, withinMs);
  }
}

/** Brokers 1 and 2 with links both ways. */
async function pair(simSeed = seed): Promise<{ sim: Sim; a: Rig; b: Rig }> {
  const sim = new Sim(simSeed);
  const a = await sim.broker(1);
  const b = await sim.broker(2);
  a.hub.connect("h2:1");
  b.hub.connect("h1:1");
  await sim.eventually("links up", () => a.hub.isConnected(2) && b.hub.isConnected(1));
  return { sim, a, b };
}

async function settled(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "done",
    (thrown: unknown) => (isVarveError(thrown) ? `${thrown.code} ${thrown.effect}` : String(thrown)),
  );
}

test(`an idle link stays up and silent peers are not blamed (SEED=${seed})`, async () => {
  const { sim, a, b } = await pair();
  await sim.clock.runUntil(sim.clock.monotonicMs() + 120_000);
  expect(a.downs).toEqual([]);
  expect(b.downs).toEqual([]);
});

test.each([
  { why: "both ways", cut: (network: SimNetwork) => network.partition(["h1"], ["h2"]) },
  { why: "one way, away from the dialer", cut: (network: SimNetwork) => network.block("h1", "h2") },
  { why: "one way, towards the dialer", cut: (network: SimNetwork) => network.block("h2", "h1") },
])(`a partition $why is found as timeout within 4 s, and heals (SEED=${seed})`, async ({ cut }) => {
  const { sim, a, b } = await pair();
  const startMs = sim.clock.monotonicMs();
  cut(sim.network);
  await sim.eventually("found", () => a.downs.length > 0 && b.downs.length > 0);
  for (const rig of [a, b]) {
    expect(rig.downs.map((down) => down.reason)).toEqual(["timeout"]);
    expect((rig.downs[0]?.atMs ?? 0) - startMs).toBeLessThanOrEqual(4_000);
  }
  await sim.clock.runUntil(sim.clock.monotonicMs() + 20_000);
  expect(a.hub.isConnected(2)).toBe(false);
  sim.network.heal();
  await sim.eventually("up again", () => a.hub.isConnected(2) && b.hub.isConnected(1), 6_000);
  expect(a.downs.length).toBe(1);
});

test(`a clog shorter than the timeout loses and repeats nothing (SEED=${seed})`, async () => {
  const { sim, a, b } = await pair();
  sim.network.clog("h1", "h2");
  for (let at = 0; at < 100; at++) a.hub.send(2, "bulk", at, [new Uint8Array(1_000)]);
  await sim.clock.runUntil(sim.clock.monotonicMs() + 2_000);
  expect(b.messages).toEqual([]);
  sim.network.unclog("h1", "h2");
  await sim.eventually("all arrived", () => b.messages.length === 100);
  expect(b.messages.map((message) => message.kind)).toEqual(Array.from({ length: 100 }, (_, at) => at));
  expect(a.downs).toEqual([]);
});

test(`a reset between two live brokers is told as reset only, and the link is back at once (SEED=${seed})`, async () => {
  const { sim, a, b } = await pair();
  sim.network.reset("h1", "h2");
  await sim.eventually("told", () => a.downs.length > 0 && b.downs.length > 0, 1);
  await sim.eventually("up again", () => a.hub.isConnected(2) && b.hub.isConnected(1), 10);
  expect(a.downs.map((down) => down.reason)).toEqual(["reset"]);
});

test(`a crash is told as reset, then refused, within a few round trips (SEED=${seed})`, async () => {
  const { sim, a, b } = await pair();
  const startMs = sim.clock.monotonicMs();
  sim.network.crash("h2");
  b.hub.destroy();
  await sim.eventually("refused", () => a.downs.length === 2, 20);
  expect(a.downs.map((down) => down.reason)).toEqual(["reset", "refused"]);
  expect(sim.clock.monotonicMs() - startMs).toBeLessThan(6);
  await sim.clock.runUntil(startMs + 60_000);
  expect(a.downs.length).toBe(2);
});

test(`a power cut is found as timeout, and the restarted broker is a new boot (SEED=${seed})`, async () => {
  const { sim, a, b } = await pair();
  sim.network.crash("h2", { silent: true });
  b.hub.destroy();
  await sim.eventually("found", () => a.downs.length > 0, 4_000);
  expect(a.downs[0]?.reason).toBe("timeout");
  await sim.broker(2, { hello: { bootId: "second" } });
  await sim.eventually("up again", () => a.hub.connected()[0]?.bootId === "second", 3_000);
});

test(`a restart faster than its discovery replaces the links of the earlier boot (SEED=${seed})`, async () => {
  const { sim, a, b } = await pair();
  sim.network.crash("h2", { silent: true });
  b.hub.destroy();
  const again = await sim.broker(2, { hello: { bootId: "second" } });
  again.hub.connect("h1:1");
  await sim.eventually("replaced", () => a.hub.connected()[0]?.bootId === "second", 1_000);
  expect(a.downs.map((down) => down.reason)).toEqual(["reset"]);
});

test(`calls through a partition end by their deadline or with the link, as UNKNOWN (SEED=${seed})`, async () => {
  const { sim, a, b } = await pair();
  let handled = 0;
  b.hub.handleCall(1, async (_from, payload) => {
    handled++;
    return payload;
  });
  sim.network.block("h2", "h1");
  const short = settled(a.hub.call(2, 1, new Uint8Array(1), { timeoutMs: 500 }));
  const long = settled(a.hub.call(2, 1, new Uint8Array(1), { timeoutMs: 30_000 }));
  await sim.eventually("link down", () => a.downs.length > 0);
  expect(await short).toBe("TIMEOUT UNKNOWN");
  expect(await long).toBe("UNREACHABLE UNKNOWN");
  expect(handled).toBe(2);
  expect(await settled(a.hub.call(2, 1, new Uint8Array(1), { timeoutMs: 500 }))).toBe("UNREACHABLE NOT_APPLIED");
});

/** Three brokers that talk while faults come and go; every event in order. */
async function history(simSeed: number): Promise<readonly string[]> {
  const sim = new Sim(simSeed);
  const trace: string[] = [];
  const note = (text: string): number => trace.push(`${sim.clock.monotonicMs().toFixed(6)} ${text}`);
  const rigs: Rig[] = [];
  const calls: Promise<unknown>[] = [];
  for (const id of [1, 2, 3]) {
    const rig = await sim.broker(id, {
      options: {
        onMessage: (from, lane, kind, payload) => note(`${id} hears ${from} ${lane} ${kind} ${payload.length}`),
        onLinkUp: (peer) => note(`${id} up ${peer.brokerId}`),
        onLinkDown: (peer, reason) => note(`${id} down ${peer} ${reason}`),
      },
    });
    rig.hub.handleCall(1, async (_from, payload) => payload);
    rigs.push(rig);
  }
  for (const rig of rigs) for (const id of [1, 2, 3]) rig.hub.connect(`h${id}:1`);
  for (let step = 0; step < 150; step++) {
    await sim.clock.runUntil(sim.clock.monotonicMs() + sim.prng.between(0, 120));
    const from = sim.prng.pick(rigs);
    const to = sim.prng.between(1, 3);
    const payload = new Uint8Array(sim.prng.between(0, 20_000));
    from.hub.send(to, sim.prng.pick(["control", "bulk"]), step, [payload]);
    const call = from.hub.call(to, 1, payload, { timeoutMs: 1_000 });
    calls.push(settled(call).then((end) => note(`call ${step} ${end}`)));
    const fault = sim.prng.between(0, 30);
    if (fault === 0)
      sim.network.partition(
        [`h${to}`],
        ["h1", "h2", "h3"].filter((host) => host !== `h${to}`),
      );
    if (fault <= 2) sim.network.heal();
    if (fault === 3) sim.network.reset(`h${from.brokerId}`, `h${to}`);
    if (fault === 4) sim.network.clog(`h${from.brokerId}`, `h${to}`);
    if (fault === 5)
      for (const one of [1, 2, 3]) for (const other of [1, 2, 3]) sim.network.unclog(`h${one}`, `h${other}`);
  }
  sim.network.heal();
  for (const one of [1, 2, 3]) for (const other of [1, 2, 3]) sim.network.unclog(`h${one}`, `h${other}`);
  await sim.eventually("all links up", () => rigs.every((rig) => rig.hub.connected().length === 2), 15_000);
  for (const rig of rigs) rig.hub.destroy();
  await Promise.all(calls);
  return trace;
}

test(`the same seed gives the same history, and without faults all links come back (SEED=${seed})`, async () => {
  const first = await history(seed);
  expect(first.length).toBeGreaterThan(100);
  expect(await history(seed)).toEqual(first);
  expect(await history(seed + 1)).not.toEqual(first);
});

test(`per lane no message is repeated or overtaken, whatever the network does (SEED=${seed})`, async () => {
  for (let round = 0; round < 3; round++) {
    const lastKind = new Map<string, number>();
    for (const line of await history(seed + 10 + round)) {
      const match = /(\d) hears (\d) (\w+) (\d+)/.exec(line);
      if (match === null) continue;
      const key = match.slice(1, 4).join();
      const kind = Number(match[4]);
      expect(kind, line).toBeGreaterThan(lastKind.get(key) ?? -1);
      lastKind.set(key, kind);
    }
    expect(lastKind.size).toBeGreaterThan(0);
  }
});
