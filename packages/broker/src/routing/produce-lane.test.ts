/**
 * produce-lane.test.ts: the order of calls through one lane, against a cluster that is no more than a list: leaders that move, refuse and answer
 * when the test says so.
 */
import { VarveError } from "@varve/base";
import { fuzzSeed, Prng, SimClock } from "@varve/base/testing";
import { beforeEach, describe, expect, test } from "vitest";
import { type LaneCall, ProduceLane } from "./produce-lane.js";

interface Target {
  readonly term: number;
}

const NOT_LEADER = new VarveError("NOT_LEADER", { message: "another leads" });
const GAP = new VarveError("OUT_OF_ORDER_SEQUENCE", { message: "a gap" });
const UNKNOWN = new VarveError("COMMIT_UNKNOWN", { message: "nobody knows" });
const GAVE_UP = new VarveError("NOT_ENOUGH_REPLICAS", { message: "no leader" });
const FOREVER_MS = Number.POSITIVE_INFINITY;

/** A call that was made and has no answer yet. */
interface Sent {
  readonly name: string;
  readonly term: number;
  answer(error?: VarveError): Promise<void>;
}

let clock: SimClock;
let lane: ProduceLane<Target, string>;
let leader: Target | null;
let sent: Sent[];
let told: string[];
/** How often the lane said that it is empty. */
let emptied: number;

/** Lets what follows from an answer happen. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function pass(durationMs: number): Promise<void> {
  await clock.runUntil(clock.monotonicMs() + durationMs);
}

function submit(name: string, options: { located?: Promise<void>; waitMs?: number } = {}): void {
  const call: LaneCall<Target, string> = {
    located: options.located ?? null,
    target: () => leader,
    send: ({ term }) =>
      new Promise((resolve, reject) => {
        const answer = (error?: VarveError): Promise<void> => {
          sent = sent.filter((each) => each !== entry);
          if (error === undefined) resolve(name);
          else reject(error);
          return settle();
        };
        const entry = { name, term, answer };
        sent.push(entry);
      }),
    endOfWait: (waitedMs, nextMs) => (waitedMs + nextMs >= (options.waitMs ?? FOREVER_MS) ? GAVE_UP : null),
  };
  lane.submit(call).then(
    (result) => told.push(result),
    (error: VarveError) => told.push(`${name} ${error.code}`),
  );
}

function names(): string[] {
  return sent.map(({ name, term }) => `${name}@${term}`);
}

function inFlight(name: string): Sent {
  const found = sent.find((each) => each.name === name);
  if (found === undefined) throw new Error(`${name} is not in flight, ${names()} are`);
  return found;
}

beforeEach(() => {
  clock = new SimClock();
  emptied = 0;
  lane = new ProduceLane(clock, () => emptied++);
  leader = { term: 1 };
  sent = [];
  told = [];
});

describe("while one leader answers", () => {
  test("calls go before submit returns, all at once, and are told as they are answered", async () => {
    for (const name of ["a", "b", "c"]) submit(name);
    expect(names()).toEqual(["a@1", "b@1", "c@1"]);
    await inFlight("b").answer();
    await inFlight("a").answer();
    await inFlight("c").answer(UNKNOWN);
    expect(told).toEqual(["b", "a", "c COMMIT_UNKNOWN"]);
    expect(emptied).toBeGreaterThan(0);
  });

  test("a gap of the first is told; of another only when nothing before it is open", async () => {
    submit("a");
    submit("b");
    await inFlight("b").answer(GAP);
    expect(told).toEqual([]);
    await inFlight("a").answer();
    await pass(200);
    expect(names()).toEqual(["b@1"]);
    await inFlight("b").answer(GAP);
    expect(told).toEqual(["a", "b OUT_OF_ORDER_SEQUENCE"]);
    expect(emptied).toBeGreaterThan(0);
  });
});

describe("while the leadership moves", () => {
  test("what was refused goes again before what came after it", async () => {
    submit("a");
    submit("b");
    leader = { term: 2 };
    submit("c");
    expect(names(), "c would pass a and b").toEqual(["a@1", "b@1"]);
    await inFlight("a").answer(NOT_LEADER);
    await inFlight("b").answer(NOT_LEADER);
    submit("d");
    await pass(200);
    expect(names(), "the first alone").toEqual(["a@2"]);
    await inFlight("a").answer();
    expect(names(), "then all that wait").toEqual(["b@2", "c@2", "d@2"]);
    submit("e");
    expect(names().at(-1)).toBe("e@2");
  });

  test("nothing goes again while another that was sent with it is under way", async () => {
    for (const name of ["a", "b", "c"]) submit(name);
    await inFlight("a").answer(NOT_LEADER);
    await pass(1_000);
    expect(names()).toEqual(["b@1", "c@1"]);
    await inFlight("b").answer(GAP);
    await inFlight("c").answer(GAP);
    await pass(1_000);
    expect(names()).toEqual(["a@1"]);
    await inFlight("a").answer();
    expect(names()).toEqual(["b@1", "c@1"]);
    expect(told).toEqual(["a"]);
  });

  test("a probe that is refused is made again, ever less often", async () => {
    submit("a");
    let triedTimes = 0;
    for (let passedMs = 0; passedMs < 2_000; passedMs++) {
      if (sent.length > 0) {
        triedTimes++;
        await inFlight("a").answer(NOT_LEADER);
      }
      await pass(1);
    }
    expect(triedTimes).toBeGreaterThan(8);
    expect(triedTimes).toBeLessThan(25);
  });

  test("what is of unknown fate is told, and the rest goes on", async () => {
    submit("a");
    submit("b");
    leader = { term: 2 };
    submit("c");
    await inFlight("a").answer(UNKNOWN);
    await inFlight("b").answer(UNKNOWN);
    expect(told).toEqual(["a COMMIT_UNKNOWN", "b COMMIT_UNKNOWN"]);
    expect(names()).toEqual(["c@2"]);
  });
});

describe("while no leader is known", () => {
  test("all wait, go in order, and who waits too long is told that nothing was written", async () => {
    leader = null;
    submit("a", { waitMs: 500 });
    submit("b");
    submit("c");
    await pass(300);
    for (let at = 0; at < 10; at++) await pass(50);
    expect(told).toEqual(["a NOT_ENOUGH_REPLICAS"]);
    leader = { term: 3 };
    await pass(200);
    expect(names()).toEqual(["b@3", "c@3"]);
    await inFlight("b").answer(NOT_LEADER);
    await inFlight("c").answer(NOT_LEADER);
    await pass(10);
    expect(names(), "all went well since: it is tried again soon").toEqual(["b@3"]);
  });
});

test("what must be looked up first holds up what comes after it, and no more when it is not there", async () => {
  let found = (): void => {};
  let missing = (_error: Error): void => {};
  submit("a", {
    located: new Promise((resolve) => {
      found = resolve;
    }),
  });
  submit("b", {
    located: new Promise((_, reject) => {
      missing = reject;
    }),
  });
  submit("c");
  expect(names()).toEqual([]);
  found();
  await settle();
  expect(names()).toEqual(["a@1"]);
  missing(new VarveError("UNKNOWN_TOPIC", { message: "no such topic" }));
  await settle();
  expect(names()).toEqual(["a@1", "c@1"]);
  expect(told).toEqual(["b UNKNOWN_TOPIC"]);
});

test("a call whose wait ended before it was known where it goes changes nothing any more", async () => {
  let found = (): void => {};
  const located = new Promise<void>((resolve) => {
    found = resolve;
  });
  submit("a", { located, waitMs: 100 });
  await pass(1_000);
  expect(told).toEqual(["a NOT_ENOUGH_REPLICAS"]);
  expect(emptied).toBe(1);
  found();
  await pass(1_000);
  expect(emptied).toBe(1);
});

/** Leaders as a lane sees them: each call is judged when it arrives, in the order in which it was sent, and answered later, in that order, too. */
class Cluster {
  readonly log: number[] = [];
  private readonly prng: Prng;
  private readonly onItsWay: Sent[] = [];
  private readonly answers: (() => Promise<void>)[] = [];
  private term = 1;
  private serves = true;

  constructor(prng: Prng) {
    this.prng = prng;
  }

  take(call: Sent): void {
    this.onItsWay.push(call);
  }

  /** One thing happens: another leads, or serves or not, or that becomes known; a call arrives; an answer does. */
  async step(): Promise<void> {
    const { prng } = this;
    if (prng.chance(0.01)) this.term++;
    if (prng.chance(this.serves ? 0.01 : 0.2)) this.serves = !this.serves;
    if (prng.chance(0.1)) leader = prng.chance(0.2) ? null : { term: this.term };
    if (prng.chance(0.5)) this.judge();
    else await this.answers.shift()?.();
  }

  private judge(): void {
    const call = this.onItsWay.shift();
    if (call === undefined) return;
    const number = Number(call.name);
    if (call.term !== this.term || !this.serves) this.answers.push(() => call.answer(NOT_LEADER));
    else if (number !== this.log.length) this.answers.push(() => call.answer(GAP));
    else {
      this.log.push(number);
      this.answers.push(() => call.answer());
    }
  }
}

test("whatever leaders do, an idempotent producer's batches are all appended, in order", async () => {
  const seed = fuzzSeed();
  const prng = new Prng(seed);
  const cluster = new Cluster(prng);
  const seen = new Set<Sent>();
  const count = 300;
  let submitted = 0;
  for (let step = 0; step < 50_000 && told.length < count; step++) {
    while (submitted < count && prng.chance(0.6)) submit(String(submitted++));
    for (const each of sent) {
      if (seen.has(each)) continue;
      seen.add(each);
      cluster.take(each);
    }
    await cluster.step();
    await pass(prng.between(0, 5));
  }
  expect(told, `SEED=${seed}`).toEqual(Array.from({ length: count }, (_, number) => String(number)));
  expect(cluster.log).toHaveLength(count);
  expect(emptied).toBeGreaterThan(0);
});
