/**
 * k1-lost-write.ts: K1: what was acknowledged with quorum is in the log at the end. Promises D1, D2.
 *
 * With final dumps of its partition: a value is lost when no replica holds it, though a dump that was taken after the acknowledgement reaches down to
 * its offset. Records below every dump's log start went by retention. Without dumps: a value is lost when a reader jumped over its offset and nobody
 * ever read it. What belongs to a topic that was, or may have been, deleted is not lost.
 */
import { type Check, Findings, type Verdict } from "../check.js";
import type { Ledger } from "../index/ledger.js";
import type { PartitionLife } from "../index/partition-life.js";
import type { Acknowledged, Sent } from "../index/sent.js";

export class LostWrite implements Check {
  readonly id = "K1";
  readonly meaning = "acknowledged, and not in the log at the end";

  constructor(private readonly ledger: Ledger) {}

  finish(): Verdict {
    const findings = new Findings();
    for (const { sent, i, where } of lostWrites(this.ledger))
      findings.add([i], () => `${sent.value} was acknowledged at ${where}, and no replica or reader has it`);
    return findings.verdict(this.id);
  }
}

/** One lost write, by the event that acknowledged it. */
export interface LostWriteOf {
  readonly sent: Sent;
  readonly i: number;
  readonly where: string;
}

/** Every acknowledged value that is gone. */
export function* lostWrites(ledger: Ledger): Generator<LostWriteOf> {
  const jumped = jumpedOver(ledger);
  for (const sent of ledger.values.values()) {
    const place = sent.acknowledged?.place ?? null;
    if (sent.acknowledged === null || place === null || sent.firstFinalAt >= 0) continue;
    const { partition, offset } = place;
    if (ledger.mayBeGone(partition)) continue;
    const isLost =
      partition.dumps.length > 0
        ? isMissed(partition, offset, sent.acknowledged)
        : sent.firstReadAt < 0 && isWithin(jumped.get(partition) ?? [], offset);
    if (isLost) yield { sent, i: sent.acknowledged.i, where: `${partition.name}@${offset}` };
  }
}

function isMissed(partition: PartitionLife, offset: number, acknowledged: Acknowledged): boolean {
  return partition.dumps.some(
    ({ i, logStart, highWatermark }) => logStart <= offset && (i > acknowledged.i || highWatermark > offset),
  );
}

/** A range of offsets; `end` is the first behind it. */
interface OffsetRange {
  readonly start: number;
  readonly end: number;
}

function jumpedOver(ledger: Ledger): Map<PartitionLife, OffsetRange[]> {
  const ranges = new Map<PartitionLife, OffsetRange[]>();
  for (const { partition, expected, found } of ledger.sessions.jumps) {
    if (found <= expected) continue;
    const known = ranges.get(partition);
    const range = { start: expected, end: found };
    if (known === undefined) ranges.set(partition, [range]);
    else known.push(range);
  }
  return ranges;
}

const isWithin = (ranges: readonly OffsetRange[], offset: number): boolean =>
  ranges.some(({ start, end }) => start <= offset && offset < end);
