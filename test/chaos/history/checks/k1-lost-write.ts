/**
 * k1-lost-write.ts: K1: what was acknowledged with quorum is in the log at the end. Promises D1, D2.
 *
 * A value is lost when no replica holds it in its final dump, though a dump that was taken after the acknowledgement reaches down to its offset. Records
 * below every dump's log start went by retention; what belongs to a topic that was, or may have been, deleted is not lost. Without final dumps of its
 * partition nothing is said of a value here: what its readers missed is found by K3 and K11.
 */
import { type Check, Findings, type Verdict } from "../check.js";
import type { Ledger } from "../index/ledger.js";
import type { PartitionLife } from "../index/partition-life.js";
import type { Acknowledged, Sent } from "../index/sent.js";

export class LostWrite implements Check {
  readonly id = "K1";
  readonly promise = "what was acknowledged is in the log at the end";
  readonly meaning = "acknowledged, and not in the log at the end";

  constructor(private readonly ledger: Ledger) {}

  finish(): Verdict {
    const findings = new Findings();
    for (const { sent, i, where } of lostWrites(this.ledger))
      findings.add([i], () => `${sent.value} was acknowledged at ${where}, and no replica holds it`);
    return findings.verdict(this);
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
  for (const sent of ledger.values.values()) {
    const place = sent.acknowledged?.place ?? null;
    if (sent.acknowledged === null || place === null || sent.firstFinalAt >= 0) continue;
    const { partition, offset } = place;
    if (ledger.mayBeGone(partition)) continue;
    if (isMissed(partition, offset, sent.acknowledged))
      yield { sent, i: sent.acknowledged.i, where: `${partition.name}@${offset}` };
  }
}

function isMissed(partition: PartitionLife, offset: number, acknowledged: Acknowledged): boolean {
  return partition.dumps.some(
    ({ i, logStart, highWatermark }) => logStart <= offset && (i > acknowledged.i || highWatermark > offset),
  );
}
