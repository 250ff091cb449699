/** raw.ts: the public API without the SDK: what a client in another language would send, good or bad. */
import { VarveError } from "@varve/base";
import { encodeBatch, type RecordInput } from "@varve/records";
import { nodeCodec } from "@varve/records/node";
import { METHODS, type RpcChannel } from "@varve/rpc";
import { createClient } from "@varve/rpc/node";
import { expect } from "vitest";

export const DEADLINE = { deadlineMs: 10_000 } as const;

export function connect(address: string | undefined): RpcChannel {
  if (address === undefined) throw new Error("the cluster has no such broker");
  return createClient(address);
}

/** A batch of text values, with producer fields when they matter. */
export function batchOf(
  values: readonly string[],
  producer: { producerId?: number; producerEpoch?: number; baseSequence?: number } = {},
): Buffer {
  const records: RecordInput[] = values.map((value) => ({ timestampMs: 1_700_000_000_000, value: Buffer.from(value) }));
  return Buffer.from(encodeBatch({ records, ...producer }, nodeCodec));
}

/** Values of a partition from an offset to its high watermark. */
export async function readAll(channel: RpcChannel, topic: string, partition: number, from = 0): Promise<string[]> {
  const values: string[] = [];
  for (let offset = from; ; ) {
    const answer = await channel.unary(
      METHODS.read,
      { topic, partition, offset, decoded: true, maxBytes: 1 << 20 },
      DEADLINE,
    );
    for (const { value } of answer.records) values.push(Buffer.from(value ?? []).toString());
    if (answer.nextOffset >= answer.highWatermark) return values;
    offset = answer.nextOffset;
  }
}

/** The VarveError that a call ends with. */
export async function failureOf(call: Promise<unknown>): Promise<VarveError> {
  const outcome = await call.then(
    (answer) => ({ answer }),
    (error: unknown) => ({ error }),
  );
  if ("error" in outcome && outcome.error instanceof VarveError) return outcome.error;
  expect.fail(`expected a VarveError, got ${JSON.stringify(outcome)}`);
}
