import { Prng } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import { checkHistory } from "./check-history.js";
import { isLinearizable, OPERATIONS_MAX, type TimedOperation } from "./linearizable.js";
import { record, Script } from "./script.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);

/** What an operation asks for and is answered, and when; its effect, and how it is written. */
interface Drawn<State> extends TimedOperation<State> {
  readonly begin: (script: Script, proc: string) => void;
  readonly end: (script: Script, proc: string) => void;
}

type Log = readonly string[];
/** 0: nothing is committed. */
type Register = number;

/** Begins and ends of operations at random moments, up to `overlapMax` open at once. */
function intervals(prng: Prng, count: number, overlapMax: number): { begunAt: number; endedAt: number }[] {
  const drawn: { begunAt: number; endedAt: number }[] = [];
  const open: number[] = [];
  for (let at = 0; drawn.length < count || open.length > 0; at++) {
    const mayBegin = drawn.length < count && open.length < overlapMax;
    if (mayBegin && (open.length === 0 || prng.chance(0.5))) {
      open.push(drawn.length);
      drawn.push({ begunAt: at, endedAt: -1 });
    } else {
      const [ending] = open.splice(prng.between(0, open.length - 1), 1);
      const found = drawn[ending ?? -1];
      if (found !== undefined) found.endedAt = at;
    }
  }
  return drawn;
}

/** The history of the operations, as a script. */
function written<State>(operations: readonly Drawn<State>[]): Script {
  const script = new Script();
  const moments = operations.flatMap((operation, at) => [
    { at: operation.begunAt, say: () => operation.begin(script, `c${at}`) },
    ...(operation.endedAt === Number.POSITIVE_INFINITY
      ? []
      : [{ at: operation.endedAt, say: () => operation.end(script, `c${at}`) }]),
  ]);
  for (const { say } of moments.sort((left, right) => left.at - right.at)) say();
  return script;
}

function verdictOf(script: Script, id: string): boolean {
  const judgement = checkHistory(script.lines);
  if (judgement.kind === "unreadable") throw new Error(`line ${judgement.line}: ${judgement.problem}`);
  return judgement.verdicts.find(({ check }) => check === id)?.valid ?? false;
}

describe("of a log, K4 says what the exhaustive search says", () => {
  /** Appends get the offsets 0, 1, ... in an order near that of their invokes, questions any answers that are not absurd. */
  function drawLog(prng: Prng): Drawn<Log>[] {
    const count = prng.between(2, 14);
    const times = intervals(prng, count, prng.between(1, 5));
    const appends = times.map((_, at) => at).filter(() => prng.chance(0.6));
    const offsets = appends.map((_, at) => at);
    for (let swaps = prng.between(0, 2); swaps > 0 && offsets.length > 1; swaps--) {
      const at = prng.between(0, offsets.length - 2);
      offsets.splice(at, 2, ...offsets.slice(at, at + 2).reverse());
    }
    return times.map(({ begunAt, endedAt }, at): Drawn<Log> => {
      const order = appends.indexOf(at);
      const offset = offsets[order];
      if (offset !== undefined) return append(`p${at}:1`, offset, begunAt, endedAt);
      const near = appends.filter((other) => (times[other]?.begunAt ?? 0) < endedAt).length;
      const answer = Math.max(0, Math.min(appends.length, near - prng.between(0, 3) + (prng.chance(0.2) ? 1 : 0)));
      const read = offsets.indexOf(answer);
      if (prng.chance(0.5) || read < 0) return latest(answer, begunAt, endedAt);
      return reading(`p${appends[read]}:1`, answer, begunAt, endedAt);
    });
  }

  const append = (value: string, offset: number, begunAt: number, endedAt: number): Drawn<Log> => ({
    begunAt,
    endedAt,
    apply: (log) => (log.length === offset ? [...log, value] : null),
    begin: (script, proc) => script.beginSend(value, { proc }),
    end: (script, proc) => script.acked(offset, { proc }),
  });

  const latest = (offset: number, begunAt: number, endedAt: number): Drawn<Log> => ({
    begunAt,
    endedAt,
    apply: (log) => (log.length === offset ? log : null),
    begin: (script, proc) => script.begin(proc, "listOffsets", { topic: "o", at: "latest" }),
    end: (script, proc) => script.ok(proc, "listOffsets", { offsets: [{ partition: 0, offset }] }),
  });

  const reading = (value: string, offset: number, begunAt: number, endedAt: number): Drawn<Log> => ({
    begunAt,
    endedAt,
    apply: (log) => (log[offset] === value ? log : null),
    begin: (script, proc) => script.begin(proc, "poll", { topics: ["o"] }),
    end: (script, proc) => script.ok(proc, "poll", { records: [record(offset, value)] }),
  });

  /** Some sends end with nobody knowing; a reader finds all of them at the end. */
  function withUnknown(prng: Prng, operations: readonly Drawn<Log>[]): Drawn<Log>[] {
    const last = Math.max(...operations.map(({ endedAt }) => endedAt)) + 1;
    return operations.flatMap((operation) => {
      const placed = placeOf(operation);
      if (placed === null || !prng.chance(0.3)) return [operation];
      const open = { ...operation, endedAt: Number.POSITIVE_INFINITY };
      return [open, reading(placed.value, placed.offset, last, last + 1)];
    });
  }

  function placeOf(operation: Drawn<Log>): { value: string; offset: number } | null {
    for (let offset = 0; offset < OPERATIONS_MAX; offset++) {
      const log = operation.apply(Array.from({ length: offset }, () => ""));
      if (log !== null && log.length > offset) return { value: log[offset] ?? "", offset };
    }
    return null;
  }

  test(`over random small histories (SEED=${seed})`, { timeout: 60_000 }, () => {
    const prng = new Prng(seed);
    const counts = { right: 0, wrong: 0 };
    for (let round = 0; round < 2_000; round++) {
      const drawn = drawLog(prng);
      const operations = prng.chance(0.5) ? drawn : withUnknown(prng, drawn);
      const expected = isLinearizable<Log>(operations, [], (log) => log.join());
      counts[expected ? "right" : "wrong"]++;
      const script = written(operations);
      expect(verdictOf(script, "K4"), `round ${round}\n${script.lines.join("\n")}`).toBe(expected);
    }
    expect(Math.min(counts.right, counts.wrong), JSON.stringify(counts)).toBeGreaterThan(300);
  });
});

describe("of committed offsets, K9 says what the exhaustive search says", () => {
  const ask = { group: "g", topic: "o", partition: 0, memberEpoch: 1 };

  const commit = (offset: number, begunAt: number, endedAt: number): Drawn<Register> => ({
    begunAt,
    endedAt,
    apply: () => offset,
    begin: (script, proc) => script.begin(proc, "commit", { ...ask, offset }),
    end: (script, proc) => script.ok(proc, "commit"),
  });

  const fetch = (offset: number, begunAt: number, endedAt: number): Drawn<Register> => ({
    begunAt,
    endedAt,
    apply: (state) => (state === offset ? state : null),
    begin: (script, proc) => script.begin(proc, "fetchOffsets", { group: "g" }),
    end: (script, proc): void => {
      const offsets = offset === 0 ? [] : [{ topic: "o", partition: 0, offset }];
      script.ok(proc, "fetchOffsets", { offsets });
    },
  });

  /** Commits of rising offsets, some open for ever; questions are answered with one of those begun, mostly a late one. */
  function drawRegister(prng: Prng, isUnique: boolean): Drawn<Register>[] {
    let committed = 1;
    const times = intervals(prng, prng.between(2, 12), prng.between(1, 4));
    return times.map(({ begunAt, endedAt }): Drawn<Register> => {
      if (prng.chance(0.5)) {
        if (isUnique || prng.chance(0.7)) committed++;
        return commit(committed, begunAt, prng.chance(0.15) ? Number.POSITIVE_INFINITY : endedAt);
      }
      const told = committed - prng.between(0, 2);
      return fetch(told < 2 ? 0 : told, begunAt, endedAt);
    });
  }

  /** Of 69,301 wrong histories of two seeds K9 missed 1,111. */
  const MISSED_SHARE = 0.016;
  const ROUNDS = 6_000;
  /** A checker that misses no more than that exceeds the bound once in three million runs; here it is 2.7 %. */
  const DEVIATIONS_MAX = 5;

  test(`when it finds something, always; when it does not, nearly always (SEED=${seed})`, { timeout: 60_000 }, () => {
    const prng = new Prng(seed);
    const counts = { right: 0, wrong: 0, missed: 0 };
    for (let round = 0; round < ROUNDS; round++) {
      const operations = drawRegister(prng, prng.chance(0.5));
      const script = new Script();
      // The topic is made here, so nothing was committed before.
      script.did("admin", "createTopic", { topic: "o" }, { topicId: "id" });
      const shifted = operations.map((operation) => ({
        ...operation,
        begunAt: operation.begunAt + 2,
        endedAt: operation.endedAt + 2,
      }));
      const history = written<Register>(shifted);
      const lines = [...script.lines, ...history.lines.map((line) => renumbered(line, 2))];
      const expected = isLinearizable<Register>(operations, 0, String);
      const whole = new Script();
      for (const line of lines) whole.line(line);
      const found = verdictOf(whole, "K9");
      counts[expected ? "right" : "wrong"]++;
      if (expected) expect(found, `round ${round}\n${lines.join("\n")}`).toBe(true);
      else if (found) counts.missed++;
    }
    expect(Math.min(counts.right, counts.wrong), JSON.stringify(counts)).toBeGreaterThan(ROUNDS / 4);
    // Histories are drawn apart from each other, so what is missed follows the binomial distribution.
    const deviation = Math.sqrt((MISSED_SHARE * (1 - MISSED_SHARE)) / counts.wrong);
    const shareMax = MISSED_SHARE + DEVIATIONS_MAX * deviation;
    expect(counts.missed / counts.wrong, JSON.stringify(counts)).toBeLessThan(shareMax);
  });

  function renumbered(line: string, by: number): string {
    const event = JSON.parse(line) as { readonly i: number; readonly t: number };
    return JSON.stringify({ ...event, i: event.i + by, t: event.t + by });
  }
});

test("the exhaustive search finds an order where there is one, and none where there is none", () => {
  const set = (value: number, begunAt: number, endedAt: number): TimedOperation<number> => ({
    begunAt,
    endedAt,
    apply: () => value,
  });
  const get = (value: number, begunAt: number, endedAt: number): TimedOperation<number> => ({
    begunAt,
    endedAt,
    apply: (state) => (state === value ? state : null),
  });
  expect(isLinearizable([set(1, 0, 5), get(1, 1, 2), get(0, 3, 4)], 0, String)).toBe(false);
  expect(isLinearizable([set(1, 0, 5), get(0, 1, 2), get(1, 3, 4)], 0, String)).toBe(true);
  expect(isLinearizable([set(1, 0, Number.POSITIVE_INFINITY), get(0, 1, 2), get(1, 3, 4)], 0, String)).toBe(true);
  expect(isLinearizable([set(1, 0, 1), get(0, 2, 3)], 0, String)).toBe(false);
  expect(() =>
    isLinearizable(
      Array.from({ length: OPERATIONS_MAX + 1 }, () => get(0, 0, 1)),
      0,
      String,
    ),
  ).toThrow();
});
