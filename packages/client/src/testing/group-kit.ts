/**
 * group-kit.ts: what tests of consumers share: records to work on, waits in simulated time, members that die.
 */
import { Prng } from "@varve/base/testing";
import { encodeBatch } from "@varve/records";
import { nodeCodec } from "@varve/records/node";
import type { Consumer } from "../consumer/consumer.js";
import type { RunOptions } from "../consumer/options.js";
import type { VarveRecord } from "../records/output.js";
import { SimClient, type SimClientOptions } from "./sim-client.js";

/** A client of three brokers, always the same. */
export function sim(options: Partial<SimClientOptions> = {}): SimClient {
  return new SimClient({ prng: new Prng(7), ...options });
}

/** Appends batches of at most 10 records; their keys cycle through `keys`, their values are their offsets. */
export function fill(client: SimClient, partition: number, count: number, keys: readonly string[] = []): void {
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

/** start .. end - 1. */
export function range(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, at) => start + at);
}

/** Waits until it is so, at most `withinMs` of simulated time. */
export async function until(client: SimClient, isSo: () => boolean, withinMs = 60_000): Promise<void> {
  const giveUpAtMs = client.clock.monotonicMs() + withinMs;
  while (!isSo()) {
    if (client.clock.monotonicMs() > giveUpAtMs) throw new Error(`it never became so: ${isSo.toString()}`);
    await client.clock.runUntil(client.clock.monotonicMs() + 5);
  }
}

/** Runs a consumer; what it worked on, and how it ended. */
export function running(consumer: Consumer, options: Partial<RunOptions> = {}) {
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

/** Offsets of the records of one partition. */
export function offsets(records: readonly VarveRecord[], partition = 0): number[] {
  return records.filter((record) => record.partition === partition).map(({ offset }) => offset);
}

/** Resolves after so much simulated time. */
export function sleep(client: SimClient, ms: number): Promise<void> {
  return new Promise((resolve) => client.clock.setTimer(ms, resolve));
}

/** The event loop stands still: time passes, and no timer fires. */
export function block(client: SimClient, ms: number): void {
  const clock = client.clock as unknown as { nowMs: number; readonly heap: { atMs: number }[] };
  clock.nowMs += ms;
  for (const event of clock.heap) event.atMs = Math.max(event.atMs, clock.nowMs);
}

/** As if its process were gone: nothing more is heard of it. */
export function kill(consumer: Consumer): void {
  const { membership } = consumer as unknown as {
    membership: { session: { stop(): void }; committer: { stop(): void } };
  };
  membership.session.stop();
  membership.committer.stop();
}
