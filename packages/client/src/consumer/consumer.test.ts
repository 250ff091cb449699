/** consumer.test.ts: members of groups against a model of a cluster and its coordinator, on simulated time. */
import { Prng } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import type { VarveRecord } from "../index.js";
import { block, fill, kill, offsets, range, running, sim, sleep, until } from "../testing/group-kit.js";
import type { SimClient } from "../testing/index.js";

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
    await until(client, () => client.groups.members("g").length === 1);
    const [member] = client.groups.members("g");
    await until(client, () => client.groups.committed("g", "t", 0) === 2);
    expect(done).toEqual([0, 1]);
    expect(lost).toEqual([]);
    expect(client.groups.members("g")).toEqual([member]);
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
