/** consumer.test.ts: members of groups against a model of a cluster and its coordinator, on simulated time. */
import { VarveError } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { encodeBatch } from "@varve/records";
import { nodeCodec } from "@varve/records/node";
import { describe, expect, test } from "vitest";
import type { Consumer, RunOptions, VarveRecord } from "../index.js";
import { SimClient, type SimClientOptions } from "../testing/index.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);
/** Seeds per run; SEEDS=500 looks longer. */
const SEEDS = Number(process.env["SEEDS"] ?? 10);

function sim(options: Partial<SimClientOptions> = {}): SimClient {
  return new SimClient({ prng: new Prng(7), ...options });
}

/** Appends batches of at most 10 records; their keys cycle through `keys`, their values are their offsets. */
function fill(client: SimClient, partition: number, count: number, keys: readonly string[] = []): void {
  const log = client.model.partition("t", partition);
  for (let left = count; left > 0; left -= 10) {
    const records = Array.from({ length: Math.min(left, 10) }, (_, at) => {
      const offset = log.nextOffset + at;
      const key = keys.length === 0 ? null : Buffer.from(keys[offset % keys.length] ?? "");
      return { timestampMs: 1, key, value: Buffer.from(String(offset)) };
    });
    log.append(encodeBatch({ records }, nodeCodec));
  }
}

function range(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, at) => start + at);
}

/** Waits until it is so, at most `withinMs` of simulated time. */
async function until(client: SimClient, isSo: () => boolean, withinMs = 60_000): Promise<void> {
  const giveUpAtMs = client.clock.monotonicMs() + withinMs;
  while (!isSo()) {
    if (client.clock.monotonicMs() > giveUpAtMs) throw new Error(`it never became so: ${isSo.toString()}`);
    await client.clock.runUntil(client.clock.monotonicMs() + 5);
  }
}

/** Runs a consumer; what it worked on, and how it ended. */
function running(consumer: Consumer, options: Partial<RunOptions> = {}) {
  const state: { readonly records: VarveRecord[]; end: unknown } = { records: [], end: null };
  consumer
    .run({
      handler: (record) => {
        state.records.push(record);
      },
      ...options,
    })
    .then(
      () => {
        state.end = "ended";
      },
      (error: unknown) => {
        state.end = error;
      },
    );
  return state;
}

function offsets(records: readonly VarveRecord[], partition = 0): number[] {
  return records.filter((record) => record.partition === partition).map(({ offset }) => offset);
}

describe("membership", () => {
  test("a member joins, works on all partitions in order, commits within a second, and leaves at close", async () => {
    const client = sim();
    client.model.createTopic("t", 3);
    for (const partition of [0, 1, 2]) fill(client, partition, 35);
    const consumer = client.varve.consumer({ group: "g", topics: ["t"] });
    const state = running(consumer);
    await until(client, () => state.records.length === 105);
    for (const partition of [0, 1, 2]) expect(offsets(state.records, partition)).toEqual(range(0, 35));
    await client.clock.runUntil(client.clock.monotonicMs() + 1_100);
    expect([0, 1, 2].map((partition) => client.groups.committed("g", "t", partition))).toEqual([35, 35, 35]);
    await client.run(consumer.close());
    expect(state.end).toBe("ended");
    expect(client.groups.members("g")).toEqual([]);
  });

  test("two members share, each record goes to one of them, and the one that stays takes over when the other leaves", async () => {
    const client = sim();
    client.model.createTopic("t", 4);
    const [one, two] = [client.varve, client.another()].map((varve) => varve.consumer({ group: "g", topics: ["t"] }));
    if (one === undefined || two === undefined) throw new Error("two consumers were made");
    const first = running(one);
    await until(client, () => one.assigned.length === 4);
    const second = running(two);
    await until(client, () => one.assigned.length === 2 && two.assigned.length === 2);
    for (const partition of [0, 1, 2, 3]) fill(client, partition, 20);
    await until(client, () => first.records.length + second.records.length === 80);
    for (const partition of [0, 1, 2, 3]) {
      const mine = two.assigned.some((each) => each.partition === partition) ? second : first;
      expect(offsets(mine.records, partition)).toEqual(range(0, 20));
    }
    await client.run(two.close());
    await until(client, () => one.assigned.length === 4);
    for (const partition of [0, 1, 2, 3]) fill(client, partition, 10);
    await until(client, () => first.records.length + second.records.length === 120);
    for (const partition of [0, 1, 2, 3]) {
      const all = [...first.records, ...second.records];
      expect(offsets(all, partition).sort((left, right) => left - right)).toEqual(range(0, 30));
    }
  });
});

describe("membership under failures", () => {
  test("a member that dies is replaced after its session timeout, and its successor begins at the last commit", async () => {
    const client = sim();
    client.model.createTopic("t", 2);
    const dying = client.another();
    const one = client.varve.consumer({ group: "g", topics: ["t"] });
    const two = dying.consumer({ group: "g", topics: ["t"], sessionTimeoutMs: 6_000 });
    const first = running(one);
    const second = running(two, { handler: () => new Promise(() => {}) });
    await until(client, () => one.assigned.length === 1 && two.assigned.length === 1);
    const theirs = two.assigned[0]?.partition ?? -1;
    fill(client, theirs, 10);
    await until(client, () => client.groups.committed("g", "t", theirs) === 0);
    const diedAtMs = client.clock.monotonicMs();
    kill(two);
    await until(client, () => offsets(first.records, theirs).length === 10);
    const tookMs = client.clock.monotonicMs() - diedAtMs;
    expect(tookMs).toBeGreaterThan(4_000);
    expect(tookMs).toBeLessThan(8_000);
    expect(offsets(first.records, theirs)).toEqual(range(0, 10));
    expect(second.records).toEqual([]);
  });

  test.each([
    { what: "breaks", act: (client: SimClient) => client.network.breakConnections("broker-1:7650") },
    { what: "is killed", act: (client: SimClient) => client.network.stop("broker-1:7650") },
    { what: "falls silent", act: (client: SimClient) => client.network.silence("broker-1:7650") },
  ])(
    "the broker of the session $what: the member keeps its partitions, and nothing is worked on twice",
    async ({ act }) => {
      const client = sim({ bootstrap: ["broker-1:7650"] });
      client.model.createTopic("t", 3);
      const consumer = client.varve.consumer({ group: "g", topics: ["t"] });
      const lost: unknown[] = [];
      consumer.on("lost", (event) => lost.push(event));
      const state = running(consumer);
      await until(client, () => consumer.assigned.length === 3);
      const members = client.groups.members("g");
      act(client);
      for (const partition of [0, 1, 2]) client.model.partition("t", partition).moveTo(2);
      for (const partition of [0, 1, 2]) fill(client, partition, 20);
      await until(client, () => state.records.length === 60);
      await until(client, () => [0, 1, 2].every((partition) => client.groups.committed("g", "t", partition) === 20));
      await client.clock.runUntil(client.clock.monotonicMs() + 60_000);
      expect(client.groups.members("g")).toEqual(members);
      expect(lost).toEqual([]);
      for (const partition of [0, 1, 2]) expect(offsets(state.records, partition)).toEqual(range(0, 20));
    },
  );

  test("a fenced member says `lost`, aborts its handlers, joins as a new one and begins at the last commit", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client, 0, 5);
    const consumer = client.varve.consumer({ group: "g", topics: ["t"] });
    const events: string[] = [];
    consumer.on("lost", ({ error }) => events.push(`lost ${error.code}`));
    consumer.on("assigned", ({ partitions }) => events.push(`assigned from ${partitions[0]?.startOffset}`));
    const aborted: number[] = [];
    const done: number[] = [];
    let isHung = true;
    running(consumer, {
      handler: ({ offset }, { signal }) => {
        if (offset < 3 || !isHung) {
          done.push(offset);
          return;
        }
        return new Promise<void>((resolve) => {
          signal.addEventListener("abort", () => {
            aborted.push(offset);
            isHung = false;
            resolve();
          });
        });
      },
    });
    await until(client, () => client.groups.committed("g", "t", 0) === 3);
    const [member = ""] = client.groups.members("g");
    client.groups.fence("g", member);
    await until(client, () => client.groups.committed("g", "t", 0) === 5);
    expect(events).toEqual(["assigned from 0", "lost FENCED_MEMBER", "assigned from 3"]);
    expect(aborted).toEqual([3]);
    expect(done).toEqual([0, 1, 2, 3, 4]);
    expect(client.groups.members("g")).not.toContain(member);
  });

  test("of two members with one static id the newer works, and run() of the older rejects with FENCED_INSTANCE", async () => {
    const client = sim();
    client.model.createTopic("t", 2);
    const older = client.varve.consumer({ group: "g", topics: ["t"], staticId: "pod-0" });
    const newer = client.another().consumer({ group: "g", topics: ["t"], staticId: "pod-0" });
    const first = running(older);
    await until(client, () => older.assigned.length === 2);
    const second = running(newer);
    await until(client, () => first.end !== null);
    expect(first.end).toMatchObject({ code: "FENCED_INSTANCE" });
    fill(client, 0, 5);
    await until(client, () => second.records.length === 5);
    expect(first.records).toEqual([]);
  });

  test("a static member that is closed and comes back moves nothing", async () => {
    const client = sim();
    client.model.createTopic("t", 2);
    const stays = client.varve.consumer({ group: "g", topics: ["t"], staticId: "pod-0" });
    const restarts = client.another().consumer({ group: "g", topics: ["t"], staticId: "pod-1" });
    running(stays);
    running(restarts);
    await until(client, () => stays.assigned.length === 1 && restarts.assigned.length === 1);
    const before = stays.assigned;
    const theirs = restarts.assigned.map(({ partition }) => partition);
    await client.run(restarts.close());
    const again = client.another().consumer({ group: "g", topics: ["t"], staticId: "pod-1" });
    running(again);
    await until(client, () => again.assigned.length === 1);
    expect(again.assigned.map(({ partition }) => partition)).toEqual(theirs);
    expect(stays.assigned).toEqual(before);
  });

  test("no broker at all: run() goes on trying, and works when one is back", async () => {
    const client = sim({ requestDeadlineMs: 5_000 });
    client.model.createTopic("t", 1);
    fill(client, 0, 5);
    for (const address of client.addresses) client.network.stop(address);
    const state = running(client.varve.consumer({ group: "g", topics: ["t"] }));
    await client.clock.runUntil(120_000);
    expect(state.end).toBe(null);
    for (const address of client.addresses) client.start(address);
    await until(client, () => state.records.length === 5, 10_000);
  });

  test("a topic that does not exist is waited for, and that is said", async () => {
    const client = sim();
    const consumer = client.varve.consumer({ group: "g", topics: ["t"] });
    const reasons: string[] = [];
    consumer.on("stalled", ({ reason }) => reasons.push(reason));
    const state = running(consumer);
    await client.clock.runUntil(5_000);
    expect(reasons).toEqual([expect.stringContaining('topic "t" does not exist; waiting for it')]);
    client.model.createTopic("t", 1);
    fill(client, 0, 5);
    await until(client, () => state.records.length === 5);
  });

  test("an async handler of three session timeouts keeps its partitions", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client, 0, 2);
    const consumer = client.varve.consumer({ group: "g", topics: ["t"], sessionTimeoutMs: 6_000 });
    const lost: unknown[] = [];
    consumer.on("lost", (event) => lost.push(event));
    const done: number[] = [];
    running(consumer, {
      handler: async ({ offset }) => {
        await sleep(client, 18_000);
        done.push(offset);
      },
    });
    await until(client, () => client.groups.committed("g", "t", 0) === 2);
    expect(done).toEqual([0, 1]);
    expect(lost).toEqual([]);
    expect(client.groups.members("g")).toEqual(["member-1"]);
  });

  test("a handler that blocks the event loop for longer than the session timeout is named in the log", async () => {
    const warnings: string[] = [];
    const ignore = (): void => {};
    const logger = {
      debug: ignore,
      info: ignore,
      error: ignore,
      warn: (_: object, text: string) => warnings.push(text),
    };
    const client = sim({ logger });
    client.model.createTopic("t", 1);
    const consumer = client.varve.consumer({ group: "g", topics: ["t"], sessionTimeoutMs: 6_000 });
    const seen: number[] = [];
    running(consumer, {
      handler: ({ offset }) => {
        seen.push(offset);
        if (offset === 3 && seen.length === 4) block(client, 20_000);
      },
    });
    await until(client, () => consumer.assigned.length === 1);
    fill(client, 0, 10);
    await until(client, () => client.groups.committed("g", "t", 0) === 10);
    expect(warnings.filter((text) => text.includes("event loop was blocked"))).toEqual([
      expect.stringContaining("t/0@3"),
    ]);
    expect([...new Set(seen)].sort((left, right) => left - right)).toEqual(range(0, 10));
  });
});

describe("handing over", () => {
  test("a partition is handed over only after the record in work is finished and committed; meanwhile the others go on", async () => {
    const client = sim();
    client.model.createTopic("t", 2);
    fill(client, 0, 5, ["a", "b"]);
    const one = client.varve.consumer({ group: "g", topics: ["t"] });
    const open: (() => void)[] = [];
    const first: string[] = [];
    running(one, {
      concurrency: 4,
      handler: ({ partition, offset }) => {
        first.push(`${partition}@${offset}`);
        if (partition === 0 || offset < 5) return new Promise<void>((resolve) => open.push(resolve));
        return;
      },
    });
    fill(client, 1, 5, ["a", "b"]);
    await until(client, () => open.length === 4);
    const two = client.another().consumer({ group: "g", topics: ["t"] });
    const second = running(two);
    await client.clock.runUntil(client.clock.monotonicMs() + 10_000);
    expect(two.assigned).toEqual([]);
    expect(second.records).toEqual([]);
    expect(one.assigned).toHaveLength(1);
    const moved = one.assigned[0]?.partition === 0 ? 1 : 0;
    for (const resolve of open) resolve();
    await until(client, () => two.assigned.length === 1);
    expect(two.assigned).toMatchObject([{ partition: moved, startOffset: 2 }]);
    await until(client, () => offsets(second.records, moved).length === 3);
    expect(offsets(second.records, moved)).toEqual([2, 3, 4]);
    expect(first.filter((name) => name.startsWith(`${moved}@`))).toEqual([`${moved}@0`, `${moved}@1`]);
  });
});

describe("handlers", () => {
  test("only the finished prefix is committed, however late one record is", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client, 0, 20, ["a", "b", "c", "d"]);
    const open = new Map<number, () => void>();
    running(client.varve.consumer({ group: "g", topics: ["t"] }), {
      concurrency: 4,
      handler: ({ offset }) => (offset === 5 ? new Promise<void>((resolve) => open.set(offset, resolve)) : undefined),
    });
    await client.clock.runUntil(3_000);
    expect(client.groups.committed("g", "t", 0)).toBe(5);
    open.get(5)?.();
    await until(client, () => client.groups.committed("g", "t", 0) === 20);
  });

  test("records of one key are worked on one after another, and several keys at once", async () => {
    const client = sim();
    client.model.createTopic("t", 2);
    for (const partition of [0, 1]) fill(client, partition, 60, ["a", "b", "c"]);
    const prng = new Prng(11);
    const inWork = new Map<string, number>();
    const done: VarveRecord[] = [];
    let most = 0;
    running(client.varve.consumer({ group: "g", topics: ["t"] }), {
      concurrency: 4,
      handler: async (record) => {
        const lane = `${record.partition}/${record.key}`;
        expect(inWork.get(lane) ?? 0).toBe(0);
        inWork.set(lane, 1);
        most = Math.max(
          most,
          [...inWork.values()].reduce((sum, each) => sum + each, 0),
        );
        await sleep(client, prng.between(1, 50));
        inWork.set(lane, 0);
        done.push(record);
      },
    });
    await until(client, () => done.length === 120);
    expect(most).toBe(4);
    for (const partition of [0, 1]) {
      for (const key of ["a", "b", "c"]) {
        const list = offsets(
          done.filter((record) => record.key?.toString() === key),
          partition,
        );
        expect(list).toEqual([...list].sort((left, right) => left - right));
        expect(list).toHaveLength(20);
      }
    }
  });

  test("by default a failing record is tried 5 times with pauses, then run() rejects with its error and what was finished is committed", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client, 0, 10);
    const boom = new Error("boom");
    const tries: { readonly attempt: number; readonly atMs: number }[] = [];
    const consumer = client.varve.consumer({ group: "g", topics: ["t"] });
    const reported: unknown[] = [];
    consumer.on("error", (error, record) => reported.push([error, record?.offset]));
    const state = running(consumer, {
      handler: ({ offset }, { attempt }) => {
        if (offset !== 3) return;
        tries.push({ attempt, atMs: client.clock.monotonicMs() });
        throw boom;
      },
    });
    await until(client, () => state.end !== null);
    expect(state.end).toBe(boom);
    expect(tries.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4, 5]);
    const pausesMs = tries.slice(1).map(({ atMs }, at) => atMs - (tries[at]?.atMs ?? 0));
    expect(pausesMs.every((ms, at) => ms >= 75 * 2 ** at && ms <= 100 * 2 ** at)).toBe(true);
    expect(reported).toEqual(Array.from({ length: 5 }, () => [boom, 3]));
    expect(client.groups.committed("g", "t", 0)).toBe(3);
    expect(client.groups.members("g")).toEqual([]);
  });

  test("skip goes on with the next record; stop rejects at once; what onError throws is what run() rejects with", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client, 0, 10);
    const handler = ({ offset }: VarveRecord): void => {
      if (offset % 2 === 1) throw new Error(`odd ${offset}`);
    };
    const skipping = running(client.varve.consumer({ group: "skips", topics: ["t"] }), {
      handler,
      onError: () => "skip",
    });
    await until(client, () => client.groups.committed("skips", "t", 0) === 10);
    expect(skipping.end).toBe(null);
    const stopping = running(client.varve.consumer({ group: "stops", topics: ["t"] }), {
      handler,
      onError: (_error, { offset }) => (offset === 1 ? "skip" : "stop"),
    });
    await until(client, () => stopping.end !== null);
    expect(stopping.end).toMatchObject({ message: "odd 3" });
    expect(client.groups.committed("stops", "t", 0)).toBe(3);
    const throwing = running(client.varve.consumer({ group: "throws", topics: ["t"] }), {
      handler,
      onError: () => {
        throw new Error("no idea");
      },
    });
    await until(client, () => throwing.end !== null);
    expect(throwing.end).toMatchObject({ message: "no idea" });
  });

  test("a record that is tried again blocks its own key only", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client, 0, 30, ["a", "b", "c"]);
    let isBad = true;
    const done: number[] = [];
    running(client.varve.consumer({ group: "g", topics: ["t"] }), {
      concurrency: 2,
      handler: ({ offset }) => {
        if (offset === 3 && isBad) throw new Error("not yet");
        done.push(offset);
      },
      onError: () => "retry",
    });
    await until(client, () => done.length === 21);
    expect(done.every((offset) => offset < 3 || offset % 3 !== 0)).toBe(true);
    await client.clock.runUntil(client.clock.monotonicMs() + 2_000);
    expect(client.groups.committed("g", "t", 0)).toBe(3);
    isBad = false;
    await until(client, () => client.groups.committed("g", "t", 0) === 30);
    expect(done.filter((offset) => offset % 3 === 0)).toEqual(range(0, 10).map((each) => each * 3));
  });

  test("with concurrency 1 a record that is tried again holds up what comes after it", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client, 0, 6, ["a", "b", "c"]);
    const seen: number[] = [];
    running(client.varve.consumer({ group: "g", topics: ["t"] }), {
      handler: ({ offset }, { attempt }) => {
        seen.push(offset);
        if (offset === 2 && attempt < 4) throw new Error("not yet");
      },
    });
    await until(client, () => client.groups.committed("g", "t", 0) === 6);
    expect(seen).toEqual([0, 1, 2, 2, 2, 2, 3, 4, 5]);
  });
});

describe("pause, resume, seek", () => {
  test("a paused topic stands still, also in partitions assigned later; resumed partitions go on, and nothing is lost", async () => {
    const client = sim();
    client.model.createTopic("t", 3);
    const consumer = client.varve.consumer({ group: "g", topics: ["t"] });
    await consumer.pause(["t"]);
    const state = running(consumer);
    for (const partition of [0, 1, 2]) fill(client, partition, 50);
    await client.clock.runUntil(5_000);
    expect(consumer.assigned).toHaveLength(3);
    expect(state.records).toEqual([]);
    await consumer.resume([{ topic: "t", partitions: [1] }]);
    await until(client, () => state.records.length === 50);
    expect(offsets(state.records, 1)).toEqual(range(0, 50));
    await client.clock.runUntil(client.clock.monotonicMs() + 60_000);
    expect(state.records).toHaveLength(50);
    await consumer.resume(["t"]);
    await until(client, () => state.records.length === 150);
    for (const partition of [0, 2]) expect(offsets(state.records, partition)).toEqual(range(0, 50));
  });

  test("a live seek of the group: members go on from there at once; the record in work finishes, and does not count", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client, 0, 40);
    const consumer = client.varve.consumer({ group: "g", topics: ["t"] });
    const seen: number[] = [];
    let release = (): void => {};
    running(consumer, {
      handler: ({ offset }) => {
        seen.push(offset);
        if (offset !== 30 || seen.length > 31) return;
        return new Promise<void>((resolve) => {
          release = resolve;
        });
      },
    });
    await until(client, () => seen.length === 31);
    await client.clock.runUntil(client.clock.monotonicMs() + 1_500);
    expect(client.groups.committed("g", "t", 0)).toBe(30);
    const moved = await client.run(
      client.varve.admin.seekGroup({ group: "g", topic: "t", partition: 0, to: { offset: 5 } }),
    );
    expect(moved).toEqual({ offsets: [{ partition: 0, offset: 5 }] });
    await client.clock.runUntil(client.clock.monotonicMs() + 200);
    expect(seen).toHaveLength(31);
    release();
    await until(client, () => client.groups.committed("g", "t", 0) === 40, 2_000);
    expect(seen.slice(31)).toEqual(range(5, 40));
    expect(client.groups.commits.map(({ offset }) => offset)).not.toContain(31);
    expect(client.groups.refused).toEqual([]);
  });

  test("consumer.seek resolves when the member is there", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client, 0, 20);
    const consumer = client.varve.consumer({ group: "g", topics: ["t"] });
    const state = running(consumer);
    await until(client, () => state.records.length === 20);
    await client.run(consumer.seek({ topic: "t", partition: 0, offset: 15 }));
    expect(consumer.assigned).toMatchObject([{ partition: 0, startOffset: 15, seeked: true }]);
    await until(client, () => state.records.length === 25);
    expect(offsets(state.records).slice(20)).toEqual(range(15, 20));
    expect(await client.failure(consumer.seek({ topic: "t", partition: 0, offset: 99 }))).toMatchObject({
      code: "OFFSET_OUT_OF_RANGE",
    });
    fill(client, 0, 5);
    await until(client, () => state.records.length === 30);
  });
});

describe("the loop", () => {
  test("a loop gets records one by one; leaving it by break commits what is finished and not the record in hand, and leaves", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client, 0, 10);
    const consumer = client.varve.consumer({ group: "g", topics: ["t"] });
    const seen: number[] = [];
    const loop = async (): Promise<void> => {
      for await (const record of consumer) {
        seen.push(record.offset);
        if (record.offset === 6) break;
      }
    };
    await client.run(loop());
    expect(seen).toEqual(range(0, 7));
    expect(client.groups.committed("g", "t", 0)).toBe(6);
    expect(client.groups.members("g")).toEqual([]);
    const next = client.varve.consumer({ group: "g", topics: ["t"] });
    const first = await client.run(next[Symbol.asyncIterator]().next());
    expect(first.value?.offset).toBe(6);
  });

  test("a loop that throws does not commit the record in hand either", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client, 0, 10);
    const loop = async (): Promise<void> => {
      for await (const { offset } of client.varve.consumer({ group: "g", topics: ["t"] })) {
        if (offset === 2) throw new Error("enough");
      }
    };
    expect(await client.failure(loop())).toMatchObject({ message: "enough" });
    expect(client.groups.committed("g", "t", 0)).toBe(2);
  });

  test("close() from outside waits for the record in hand, and the loop ends", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client, 0, 10);
    const consumer = client.varve.consumer({ group: "g", topics: ["t"] });
    let closing: Promise<void> | null = null;
    const loop = async (): Promise<number> => {
      let count = 0;
      for await (const { offset } of consumer) {
        count++;
        if (offset === 4) closing = consumer.close();
        await sleep(client, 100);
      }
      return count;
    };
    expect(await client.run(loop())).toBe(5);
    await client.run(Promise.resolve(closing));
    expect(client.groups.committed("g", "t", 0)).toBe(5);
    expect(client.groups.members("g")).toEqual([]);
  });
});

describe("close and signal", () => {
  test("close finishes the records in work, commits them and leaves; nothing new is begun", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client, 0, 30, ["a", "b", "c"]);
    const consumer = client.varve.consumer({ group: "g", topics: ["t"] });
    const done: number[] = [];
    const state = running(consumer, {
      concurrency: 3,
      handler: async ({ offset }) => {
        await sleep(client, 1_000);
        done.push(offset);
      },
    });
    await until(client, () => done.length === 3);
    await client.run(consumer.close());
    expect(done).toEqual(range(0, 6));
    expect(client.groups.committed("g", "t", 0)).toBe(6);
    expect(client.groups.members("g")).toEqual([]);
    expect(state.end).toBe("ended");
    await client.run(client.varve.close());
  });

  test("a handler that awaits close() waits for itself for 30 s at most, and its record goes to another member", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client, 0, 5);
    const consumer = client.varve.consumer({ group: "g", topics: ["t"] });
    const state = running(consumer, { handler: ({ offset }) => (offset === 2 ? consumer.close() : undefined) });
    await until(client, () => state.end !== null);
    expect(state.end).toBe("ended");
    expect(client.groups.committed("g", "t", 0)).toBe(2);
  });

  test("closing the client closes its consumers", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    const state = running(client.varve.consumer({ group: "g", topics: ["t"] }));
    await until(client, () => client.groups.members("g").length === 1);
    await client.run(client.varve.close());
    expect(client.groups.members("g")).toEqual([]);
    expect(state.end).toBe("ended");
  });

  test("a signal ends run() with ABORTED and aborts the handler; what was finished is committed", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client, 0, 5);
    const controller = new AbortController();
    const consumer = client.varve.consumer({ group: "g", topics: ["t"] });
    let wasAborted = false;
    const state = running(consumer, {
      signal: controller.signal,
      handler: ({ offset }, { signal }) =>
        offset < 2
          ? undefined
          : new Promise<void>((resolve) => {
              signal.addEventListener("abort", () => {
                wasAborted = true;
                resolve();
              });
            }),
    });
    await client.clock.runUntil(200);
    controller.abort();
    await until(client, () => state.end !== null);
    expect(state.end).toMatchObject({ code: "ABORTED", effect: "NONE" });
    expect(wasAborted).toBe(true);
    expect(client.groups.committed("g", "t", 0)).toBe(2);
    expect(client.groups.members("g")).toEqual([]);
  });

  test("a consumer is used once", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    const consumer = client.varve.consumer({ group: "g", topics: ["t"] });
    running(consumer);
    expect(await client.failure(consumer.run({ handler: () => {} }))).toMatchObject({ code: "INVALID_ARGUMENT" });
    await client.run(consumer.close());
    expect(await client.failure(consumer.run({ handler: () => {} }))).toMatchObject({ code: "CLOSED" });
  });
});

function sleep(client: SimClient, ms: number): Promise<void> {
  return new Promise((resolve) => client.clock.setTimer(ms, resolve));
}

/** The event loop stands still: time passes, and no timer fires. */
function block(client: SimClient, ms: number): void {
  const clock = client.clock as unknown as { nowMs: number; readonly heap: { atMs: number }[] };
  clock.nowMs += ms;
  for (const event of clock.heap) event.atMs = Math.max(event.atMs, clock.nowMs);
}

/** As if its process were gone: nothing more is heard of it. */
function kill(consumer: Consumer): void {
  const { membership } = consumer as unknown as {
    membership: { session: { stop(): void }; committer: { stop(): void } };
  };
  membership.session.stop();
  membership.committer.stop();
}

describe("where a partition begins, and what is committed", () => {
  test("latest begins with the next record, and that is settled at once: a successor begins there, too", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client, 0, 10);
    const consumer = client.varve.consumer({ group: "g", topics: ["t"], startFrom: "latest" });
    const state = running(consumer);
    await until(client, () => client.groups.committed("g", "t", 0) === 10);
    fill(client, 0, 5);
    await until(client, () => state.records.length === 5);
    expect(offsets(state.records)).toEqual(range(10, 15));
  });

  test("a committed offset that retention deleted rejects with OFFSET_OUT_OF_RANGE, and says the log's start", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client, 0, 40);
    await client.run(client.varve.admin.seekGroup({ group: "g", topic: "t", partition: 0, to: { offset: 5 } }));
    client.model.partition("t", 0).trim(20);
    const state = running(client.varve.consumer({ group: "g", topics: ["t"] }));
    await until(client, () => state.end !== null);
    expect(state.end).toMatchObject({ code: "OFFSET_OUT_OF_RANGE", effect: "NONE", details: { logStart: 20 } });
    expect(client.groups.committed("g", "t", 0)).toBe(5);
  });

  test.each([
    { onOutOfRange: "earliest" as const, want: range(20, 45) },
    { onOutOfRange: "latest" as const, want: range(40, 45) },
  ])("onOutOfRange $onOutOfRange goes on there", async ({ onOutOfRange, want }) => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client, 0, 40);
    await client.run(client.varve.admin.seekGroup({ group: "g", topic: "t", partition: 0, to: { offset: 5 } }));
    client.model.partition("t", 0).trim(20);
    const state = running(client.varve.consumer({ group: "g", topics: ["t"], onOutOfRange }));
    await until(client, () => client.groups.committed("g", "t", 0) === 40);
    fill(client, 0, 5);
    await until(client, () => client.groups.committed("g", "t", 0) === 45);
    expect(offsets(state.records)).toEqual(want);
  });

  test("offsets in the user's own database: onAssign says where, nothing is committed by itself, and onRevoke is told", async () => {
    const client = sim();
    client.model.createTopic("t", 2);
    for (const partition of [0, 1]) fill(client, partition, 20);
    const calls: unknown[] = [];
    const consumer = client.varve.consumer({
      group: "g",
      topics: ["t"],
      autoCommit: false,
      onAssign: async (partitions, { epoch }) => {
        calls.push([partitions.map(({ partition, committed }) => [partition, committed]), epoch]);
        return [{ topic: "t", partition: 1, offset: 15 }];
      },
      onRevoke: (partitions, { lost }) => {
        calls.push([partitions.map(({ partition }) => partition), lost]);
      },
    });
    const state = running(consumer);
    await until(client, () => state.records.length === 25);
    expect(offsets(state.records, 1)).toEqual(range(15, 20));
    await client.clock.runUntil(client.clock.monotonicMs() + 5_000);
    expect(client.groups.commits).toEqual([]);
    await client.run(consumer.commit([{ topic: "t", partition: 1, offset: 17 }]));
    expect(client.groups.committed("g", "t", 1)).toBe(17);
    await client.run(consumer.commit());
    expect([0, 1].map((partition) => client.groups.committed("g", "t", partition))).toEqual([20, 20]);
    await client.run(consumer.close());
    expect(calls).toEqual([
      [
        [
          [0, null],
          [1, null],
        ],
        1,
      ],
      [[0, 1], false],
    ]);
  });

  test("what onAssign throws is what run() rejects with", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    const onAssign = (): never => {
      throw new Error("no database");
    };
    const state = running(client.varve.consumer({ group: "g", topics: ["t"], onAssign }));
    await until(client, () => state.end !== null);
    expect(state.end).toMatchObject({ message: "no database" });
  });

  test("a commit that fails is said as `error` and made up for later; commit() rejects", async () => {
    const client = sim({ requestDeadlineMs: 3_000 });
    client.model.createTopic("t", 1);
    const consumer = client.varve.consumer({ group: "g", topics: ["t"] });
    const codes: unknown[] = [];
    consumer.on("error", (error) => codes.push((error as { readonly code?: unknown }).code));
    const state = running(consumer);
    await until(client, () => consumer.assigned.length === 1);
    client.groups.commitError = new VarveError("NOT_ENOUGH_REPLICAS", { message: "alone" });
    fill(client, 0, 10);
    await until(client, () => codes.length > 0);
    expect(codes[0]).toBe("NOT_ENOUGH_REPLICAS");
    expect(await client.failure(consumer.commit())).toMatchObject({
      code: "NOT_ENOUGH_REPLICAS",
      effect: "NOT_APPLIED",
    });
    client.groups.commitError = null;
    await until(client, () => client.groups.committed("g", "t", 0) === 10);
    expect(state.end).toBe(null);
  });

  test("a partition that the coordinator does not know does not keep the others from being committed", async () => {
    const client = sim();
    const { topicId } = client.model.createTopic("t", 2);
    const consumer = client.varve.consumer({ group: "g", topics: ["t"], autoCommit: false });
    const state = running(consumer);
    for (const partition of [0, 1]) fill(client, partition, 10);
    await until(client, () => state.records.length === 20);
    client.groups.groups.get("g")?.partitions.delete(`${topicId}/0`);
    expect(await client.failure(consumer.commit())).toMatchObject({ code: "UNKNOWN_PARTITION" });
    expect(client.groups.committed("g", "t", 1)).toBe(10);
  });

  test("what onRevoke throws at close is what run() rejects with; close() resolves, and the member left", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    const onRevoke = (): never => {
      throw new Error("no database");
    };
    const consumer = client.varve.consumer({ group: "g", topics: ["t"], onRevoke });
    const state = running(consumer);
    await until(client, () => consumer.assigned.length === 1);
    await client.run(consumer.close());
    expect(state.end).toMatchObject({ message: "no database" });
    expect(client.groups.members("g")).toEqual([]);
  });

  test("onRevoke is not called for a partition while onAssign is at it", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    const calls: string[] = [];
    const slow = client.varve.consumer({
      group: "g",
      topics: ["t"],
      onAssign: async () => {
        calls.push("assigning");
        await sleep(client, 5_000);
        calls.push("assigned");
        return undefined;
      },
      onRevoke: () => {
        calls.push("revoked");
      },
    });
    running(slow);
    await until(client, () => calls.length === 1);
    const group = client.groups.groups.get("g");
    for (const each of group?.partitions.values() ?? []) each.target = null;
    await until(client, () => calls.length === 3);
    expect(calls).toEqual(["assigning", "assigned", "revoked"]);
  });

  test("commits are under way one at a time, however slow and however often asked for", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    client.groups.commitMs = 700;
    const consumer = client.varve.consumer({ group: "g", topics: ["t"], commitIntervalMs: 100 });
    const state = running(consumer);
    for (let round = 0; round < 20; round++) {
      fill(client, 0, 3);
      consumer.commit().catch(() => {});
      await client.clock.runUntil(client.clock.monotonicMs() + 90);
    }
    await until(client, () => client.groups.committed("g", "t", 0) === 60);
    expect(client.groups.mostCommitsAtOnce).toBe(1);
    const stored = client.groups.commits.map(({ offset }) => offset);
    expect(stored).toEqual([...stored].sort((left, right) => left - right));
    expect(state.records).toHaveLength(60);
  });

  test("a commit of an epoch that the coordinator has left behind is sent again with the new one", async () => {
    const client = sim();
    client.model.createTopic("t", 2);
    const one = client.varve.consumer({ group: "g", topics: ["t"], autoCommit: false });
    const state = running(one);
    fill(client, 0, 10);
    await until(client, () => state.records.length === 10);
    const group = client.groups.groups.get("g");
    for (const member of group?.members.values() ?? []) member.epoch = ++(group as { epoch: number }).epoch;
    await client.run(one.commit());
    expect(client.groups.committed("g", "t", 0)).toBe(10);
    expect(client.groups.refused).toMatchObject([{ code: "FENCED_MEMBER" }]);
  });
});

describe("the watchdog", () => {
  test("a handler that does not come back is named, again and again, and processing heals when it does", async () => {
    const client = sim();
    client.model.createTopic("t", 2);
    fill(client, 0, 10);
    const consumer = client.varve.consumer({ group: "g", topics: ["t"], stallTimeoutMs: 10_000 });
    const stalled: { readonly reason: string; readonly partition: number | null; readonly lagRecords: number }[] = [];
    consumer.on("stalled", (event) => stalled.push(event));
    let release = (): void => {};
    running(consumer, {
      handler: ({ offset }) =>
        offset === 4
          ? new Promise<void>((resolve) => {
              release = resolve;
            })
          : undefined,
    });
    await client.clock.runUntil(35_000);
    expect(stalled.length).toBeGreaterThanOrEqual(2);
    expect(stalled[0]).toMatchObject({ partition: 0, lagRecords: 6 });
    expect(stalled[0]?.reason).toMatch(/^the handler has been working on t\/0@4 for 1\d\.\d s$/);
    release();
    await until(client, () => client.groups.committed("g", "t", 0) === 10);
    const count = stalled.length;
    await client.clock.runUntil(client.clock.monotonicMs() + 60_000);
    expect(stalled).toHaveLength(count);
  });

  test("a leader that does not answer is the reason, and is left when another leads", async () => {
    const client = sim({ bootstrap: ["broker-2:7650"] });
    client.model.createTopic("t", 1);
    const consumer = client.varve.consumer({ group: "g", topics: ["t"], stallTimeoutMs: 5_000 });
    const reasons: string[] = [];
    consumer.on("stalled", ({ reason }) => reasons.push(reason));
    const state = running(consumer);
    fill(client, 0, 10);
    await until(client, () => state.records.length === 10);
    client.network.silence("broker-1:7650");
    client.model.partition("t", 0).moveTo(2);
    fill(client, 0, 10);
    await until(client, () => state.records.length === 20, 15_000);
    expect(offsets(state.records)).toEqual(range(0, 20));
  });

  test("a broker that leads and yet sends nothing is found out, said, and asked anew", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    const consumer = client.varve.consumer({ group: "g", topics: ["t"], stallTimeoutMs: 5_000 });
    const reasons: string[] = [];
    consumer.on("stalled", ({ reason }) => reasons.push(reason));
    const state = running(consumer);
    await until(client, () => consumer.assigned.length === 1);
    await client.clock.runUntil(client.clock.monotonicMs() + 1_000);
    client.model.subscriptionsToHang = 1;
    fill(client, 0, 10);
    await until(client, () => state.records.length === 10, 20_000);
    expect(reasons).toEqual([expect.stringMatching(/^no broker has sent its records for .* asking anew$/)]);
    expect(offsets(state.records)).toEqual(range(0, 10));
  });

  test("a coordinator that is silent for longer than the session timeout holds everything up, and is the reason", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    const consumer = client.varve.consumer({
      group: "g",
      topics: ["t"],
      sessionTimeoutMs: 6_000,
      stallTimeoutMs: 5_000,
    });
    const reasons: string[] = [];
    consumer.on("stalled", ({ reason }) => reasons.push(reason));
    const state = running(consumer);
    await until(client, () => consumer.assigned.length === 1);
    client.groups.isAway = true;
    client.groups.breakSessions(new VarveError("COORDINATOR_LOADING", { message: "loading" }));
    await client.clock.runUntil(client.clock.monotonicMs() + 10_000);
    fill(client, 0, 10);
    await client.clock.runUntil(client.clock.monotonicMs() + 10_000);
    expect(state.records).toEqual([]);
    expect(reasons[0]).toMatch(/^the group's coordinator has not answered for .* loading$/);
    client.groups.isAway = false;
    await until(client, () => client.groups.committed("g", "t", 0) === 10, 5_000);
  });

  test("a partition whose handler hangs does not keep the others of its broker from being fetched", async () => {
    const client = sim({ brokers: 1 });
    client.model.createTopic("t", 2);
    const big = "x".repeat(20_000);
    for (let batch = 0; batch < 100; batch++) {
      const records = Array.from({ length: 10 }, () => ({
        timestampMs: 1,
        key: Buffer.from("k"),
        value: Buffer.from(big),
      }));
      client.model.partition("t", 0).append(encodeBatch({ records }, nodeCodec));
    }
    const consumer = client.varve.consumer({ group: "g", topics: ["t"], bufferBytesMax: 1024 * 1024 });
    const state = { seen: 0 };
    running(consumer, {
      concurrency: 4,
      handler: ({ partition }) => {
        if (partition === 0) return new Promise(() => {});
        state.seen++;
        return;
      },
    });
    await client.clock.runUntil(3_000);
    fill(client, 1, 100);
    await until(client, () => state.seen === 100, 5_000);
    expect(client.model.counts.sentBytes).toBeLessThan(4 * 1024 * 1024);
  });
});

describe(`chaos, seed ${seed}`, () => {
  test.each(Array.from({ length: SEEDS }, (_, at) => seed + at))(
    "members come, go, die and are moved while brokers fail: nothing is skipped, repeats lie above the committed offset, order per key is kept, seed %i",
    async (each) => {
      const prng = new Prng(each);
      const client = sim({
        prng,
        bootstrap: ["broker-1:7650", "broker-2:7650", "broker-3:7650"],
        latencyMs: () => prng.between(0, 20),
      });
      client.model.createTopic("t", 4);
      const done = new Set<string>();
      const violations: string[] = [];
      const alive = new Map<Consumer, { dead: boolean }>();
      const start = (): void => {
        const consumer = client.another().consumer({ group: "g", topics: ["t"], sessionTimeoutMs: 3_000 });
        const state = { dead: false };
        const last = new Map<string, number>();
        alive.set(consumer, state);
        consumer.on("assigned", ({ partitions }) => {
          for (const { partition } of partitions)
            for (const key of last.keys()) if (key.startsWith(`${partition}/`)) last.delete(key);
        });
        running(consumer, {
          concurrency: 3,
          handler: async ({ partition, offset, key }, { signal }) => {
            const lane = `${partition}/${key}`;
            if (state.dead) return new Promise(() => {});
            if (offset <= (last.get(lane) ?? -1)) violations.push(`order of ${lane}: ${last.get(lane)} then ${offset}`);
            last.set(lane, offset);
            await sleep(client, prng.between(0, 40));
            if (state.dead) return new Promise(() => {});
            if (!signal.aborted) done.add(`${partition}@${offset}`);
            return;
          },
        });
      };
      for (let count = 0; count < 3; count++) start();
      const endMs = client.clock.monotonicMs() + 20_000;
      while (client.clock.monotonicMs() < endMs) {
        await client.clock.runUntil(client.clock.monotonicMs() + prng.between(50, 500));
        fill(client, prng.between(0, 3), prng.between(1, 15), ["a", "b", "c"]);
        const [consumer] = [...alive.keys()].sort(() => prng.ratio() - 0.5);
        const address = prng.pick(client.addresses);
        const action = prng.between(0, 15);
        if (action === 0 && alive.size < 5) start();
        else if (action === 1 && consumer !== undefined && alive.size > 1) {
          (alive.get(consumer) ?? { dead: false }).dead = true;
          alive.delete(consumer);
          kill(consumer);
        } else if (action === 2 && consumer !== undefined && alive.size > 1) {
          alive.delete(consumer);
          consumer.close().catch((error: unknown) => violations.push(String(error)));
        } else if (action === 3) client.network.breakConnections(address);
        else if (action === 4) {
          client.network.silence(address);
          client.clock.setTimer(prng.between(500, 4_000), () => client.network.resume(address));
        } else if (action === 5)
          client.groups.breakSessions(new VarveError("COORDINATOR_LOADING", { message: "loading" }));
        else if (action === 6) {
          const [member] = client.groups.members("g");
          if (member !== undefined) client.groups.fence("g", member);
        } else if (action === 7) client.model.partition("t", prng.between(0, 3)).moveTo(prng.between(1, 3));
        for (const { partition, offset } of client.groups.commits.splice(0)) {
          for (let below = 0; below < offset; below++) {
            if (!done.has(`${partition}@${below}`))
              violations.push(`${partition}@${below} was skipped: committed ${offset}`);
          }
        }
        expect(violations).toEqual([]);
      }
      const isThrough = (): boolean =>
        [0, 1, 2, 3].every(
          (at) => client.groups.committed("g", "t", at) === client.model.partition("t", at).nextOffset,
        );
      await until(client, isThrough, 60_000);
      expect(violations).toEqual([]);
    },
  );
});
