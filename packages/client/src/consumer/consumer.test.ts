/** consumer.test.ts: members of groups against a model of a cluster and its coordinator, on simulated time. */
import { Prng } from "@varve/base/testing";
import { encodeBatch } from "@varve/records";
import { nodeCodec } from "@varve/records/node";
import { describe, expect, test } from "vitest";
import type { Consumer, RunOptions, VarveRecord } from "../index.js";
import { SimClient, type SimClientOptions } from "../testing/index.js";

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
