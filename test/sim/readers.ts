/**
 * readers.ts: programs that read: runs of records, and where partitions end. What they are given must be the committed log.
 *
 * Checked: D3 (nothing is invented), D5 (only what is committed is visible), R1 (no gaps from where the reader began), S2 (linearizable ends).
 */
import { isVarveError } from "@varve/base";
import type { Checks } from "./checks.js";
import type { ClientProcess } from "./client-process.js";
import { checkLatest } from "./invariants/s02-linearizable-reads.js";
import { nameOf } from "./truth.js";
import { hold } from "./violation.js";

export interface ReadScope {
  readonly topic: string;
  readonly topicId: string;
  readonly partitions: number;
  /** Whether the name still means this topic. */
  readonly isStill: () => boolean;
}

/** Reads all that is there now. @returns the records that were read; null when the cluster did not answer to the end. */
export async function readAll(
  { varve }: ClientProcess,
  checks: Checks,
  { topic, topicId, isStill }: ReadScope,
): Promise<number | null> {
  const next = new Map<number, number>();
  let count = 0;
  try {
    for await (const { partition, offset, value } of varve.reader({ topic, from: "earliest", to: "end" })) {
      const truth = checks.truth.ofPartition(topicId, partition);
      const expected = next.get(partition) ?? offset;
      if (!isStill()) return null;
      checks.note(() => {
        hold("R1", offset === expected, () => `${topic}/${partition}: ${offset} is read after ${expected - 1}`);
        const name = nameOf(value);
        const committed = truth?.valueAt(offset) ?? null;
        hold(
          "D5",
          name === committed,
          () => `${topic}/${partition} offset ${offset}: ${name} is read, committed is ${committed}`,
        );
      });
      next.set(partition, offset + 1);
      count++;
    }
  } catch (error) {
    if (!isVarveError(error)) checks.fail(error);
    return null;
  }
  return count;
}

/** Asks where each partition ends; nothing that was committed before the question may be missing. @returns whether there was an answer. */
export async function askLatest(
  { varve }: ClientProcess,
  checks: Checks,
  { topic, topicId, partitions, isStill }: ReadScope,
): Promise<boolean> {
  const before = Array.from({ length: partitions }, (_, at) => checks.truth.ofPartition(topicId, at)?.endOffset ?? 0);
  try {
    for (const { partition, offset } of await varve.admin.listOffsets({ topic, at: "latest" }))
      if (isStill()) checks.note(() => checkLatest(`${topic}/${partition}`, before[partition] ?? 0, offset));
    return true;
  } catch (error) {
    if (!isVarveError(error)) checks.fail(error);
    return false;
  }
}
