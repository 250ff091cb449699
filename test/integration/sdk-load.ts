/**
 * sdk-load.ts: a producer and a reader that never stop while a test breaks the cluster, and the proof that neither lost anything.
 *
 * Invariants (what `finish` proves):
 *   L1  every value that was sent was acknowledged once, at a place of its own, and is in the log exactly there; nothing else is
 *   L2  the reader that followed from the start saw each partition's records once, in order of offsets, from 0 to the end
 *   L3  values of one key are in the log in the order in which they were sent
 *   L4  no send and no read failed
 */
import type { Producer, Varve } from "@varve/client";
import { expect } from "vitest";

/** Most values on their way at once; a cluster that stands still stops the producer, not the memory. */
const IN_FLIGHT_MAX = 400;
const SENDS_PER_BEAT = 4;
const BEAT_MS = 5;
const KEYS = 48;
const LOOK_MS = 20;
/** Longest wait for the load to get on: a lost leader costs about two seconds, a busy machine the rest. */
const PROGRESS_MS = 25_000;

export class SdkLoad {
  readonly topic: string;
  private readonly client: Varve;
  private readonly producer: Producer;
  private readonly partitions: number;
  private readonly stopReading = new AbortController();
  private readonly failures: unknown[] = [];
  /** By partition: offset -> value. */
  private readonly acked: Map<number, string>[];
  /** By partition: what the follower saw, in its order. */
  private readonly seen: { readonly offset: number; readonly value: string }[][];
  private readonly sending: Promise<void>;
  private readonly reading: Promise<void>;
  private sent = 0;
  private inFlight = 0;
  private isSending = true;
  private doubleAcks = 0;

  /** Starts at once. The topic must exist with that many partitions. */
  constructor(client: Varve, topic: string, partitions: number) {
    this.client = client;
    this.topic = topic;
    this.partitions = partitions;
    this.acked = Array.from({ length: partitions }, () => new Map());
    this.seen = Array.from({ length: partitions }, () => []);
    this.producer = client.producer();
    this.sending = this.send();
    this.reading = this.follow();
  }

  get ackedCount(): number {
    return this.acked.reduce((sum, offsets) => sum + offsets.size, 0);
  }

  /** Resolves when every partition has acknowledged, and the follower has seen, more than it had at the call. */
  async getsOn(what: string): Promise<void> {
    const acked = this.acked.map(({ size }) => size);
    const seen = this.seen.map(({ length }) => length);
    await waitUntil(`every partition gets on ${what}`, PROGRESS_MS, async () => {
      this.expectNoFailure();
      return (
        this.acked.every(({ size }, partition) => size > (acked[partition] ?? 0)) &&
        this.seen.every(({ length }, partition) => length > (seen[partition] ?? 0))
      );
    });
  }

  /** Ends the load and proves L1 to L4. */
  async finish(): Promise<void> {
    this.isSending = false;
    await this.sending;
    await this.producer.close();
    await waitUntil("the follower catches up", PROGRESS_MS, async () => {
      this.expectNoFailure();
      return this.seen.reduce((sum, records) => sum + records.length, 0) >= this.ackedCount;
    });
    const log = await this.replay();
    await this.close();
    this.expectNoFailure();
    expect(this.doubleAcks).toBe(0);
    expect(this.ackedCount).toBe(this.sent);
    for (let partition = 0; partition < this.partitions; partition++) {
      const values = log[partition] ?? [];
      expect(values.map((value, offset) => `${offset} ${value}`)).toEqual(
        [...(this.acked[partition] ?? [])]
          .sort(([left], [right]) => left - right)
          .map(([at, value]) => `${at} ${value}`),
      );
      expect(this.seen[partition]).toEqual(values.map((value, offset) => ({ offset, value })));
    }
    expectOrderPerKey(log);
  }

  /** Ends the load without any proof. */
  async close(): Promise<void> {
    this.isSending = false;
    this.stopReading.abort();
    await Promise.all([this.sending, this.reading]);
  }

  private async send(): Promise<void> {
    while (this.isSending) {
      for (let at = 0; at < SENDS_PER_BEAT && this.inFlight < IN_FLIGHT_MAX; at++) this.sendOne();
      await pause(BEAT_MS); // The load's pace.
    }
  }

  private sendOne(): void {
    const value = String(this.sent++);
    this.inFlight += 1;
    this.producer
      .send({ topic: this.topic, key: keyOf(value), value })
      .then(({ partition, offset }) => {
        const offsets = this.acked[partition] ?? new Map<number, string>();
        if (offsets.has(offset)) this.doubleAcks += 1;
        offsets.set(offset, value);
      })
      .catch((error: unknown) => this.failures.push(error))
      .finally(() => {
        this.inFlight -= 1;
      });
  }

  private async follow(): Promise<void> {
    const { signal } = this.stopReading;
    try {
      for await (const record of this.client.reader({ topic: this.topic, from: "earliest", signal })) {
        this.seen[record.partition]?.push({ offset: record.offset, value: String(record.value) });
      }
    } catch (error) {
      if (!signal.aborted) this.failures.push(error);
    }
  }

  /** The log as a fresh reader finds it: by partition, values in order of offsets, which have no gap. */
  private async replay(): Promise<string[][]> {
    const log: string[][] = Array.from({ length: this.partitions }, () => []);
    for await (const { partition, offset, value } of this.client.reader({ topic: this.topic, to: "end" })) {
      const values = log[partition] ?? [];
      expect(offset).toBe(values.length);
      values.push(String(value));
    }
    return log;
  }

  private expectNoFailure(): void {
    expect(this.failures.map(String)).toEqual([]);
  }
}

function keyOf(value: string): string {
  return `key-${Number(value) % KEYS}`;
}

function expectOrderPerKey(log: readonly (readonly string[])[]): void {
  const lastOfKey = new Map<string, number>();
  for (const value of log.flat()) {
    const key = keyOf(value);
    expect(Number(value)).toBeGreaterThan(lastOfKey.get(key) ?? -1);
    lastOfKey.set(key, Number(value));
  }
}

/** Looks until `isSo`; fails after `deadlineMs`. */
export async function waitUntil(what: string, deadlineMs: number, isSo: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  while (!(await isSo())) {
    if (performance.now() > endMs) expect.fail(`${what}: not within ${deadlineMs} ms`);
    await pause(LOOK_MS); // Between two looks; the deadline bounds them.
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
