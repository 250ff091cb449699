/**
 * k11-unseen.ts: K11: what was acknowledged is seen by a reader who looked for it. Promises D1, R1.
 *
 * A record is owed to a reader that had come to its partition below it and whose last answered poll began after the acknowledgement, or that jumped over it
 * (which K3 reports, too). It is unseen when no poll and no handler ever had it. Apart from that are reported, as notes: what is lost (K1), and what is
 * only delayed: acknowledged too late for any poll to return it.
 */
import { type Check, Findings, type Verdict } from "../check.js";
import type { Ledger } from "../index/ledger.js";
import { type OffsetRange, OffsetRanges } from "../index/offset-ranges.js";
import type { PartitionLife } from "../index/partition-life.js";
import type { Sent } from "../index/sent.js";
import type { Jump, Reach } from "../index/sessions.js";
import { lostWrites } from "./k1-lost-write.js";
import { isRetention } from "./k3-poll-order.js";
import { isRetained } from "./k7-unprocessed.js";

export class Unseen implements Check {
  readonly id = "K11";
  readonly promise = "who looks for an acknowledged record sees it";
  readonly meaning = "acknowledged, and seen by nobody who looked";

  constructor(private readonly ledger: Ledger) {}

  finish(): Verdict {
    const findings = new Findings();
    const { sessions } = this.ledger;
    const lost = new Set<Sent>();
    for (const { sent } of lostWrites(this.ledger)) lost.add(sent);
    const jumped = jumpedOver(sessions.jumps);
    const lastPolls = new Map([...sessions.reaches].map(([partition, reaches]) => [partition, new LastPolls(reaches)]));
    let delayed = 0;
    for (const sent of this.ledger.values.values()) {
      const { acknowledged } = sent;
      const place = acknowledged?.place ?? null;
      if (acknowledged === null || place === null || sent.firstReadAt >= 0 || lost.has(sent)) continue;
      const { partition, offset } = place;
      if (this.ledger.mayBeGone(partition) || !isRetained(partition, offset)) continue;
      const polledAt = Math.max(
        lastPolls.get(partition)?.below(offset) ?? -1,
        sessions.fruitless.get(partition.topic) ?? -1,
      );
      if (polledAt > acknowledged.i || jumped.get(partition)?.has(offset))
        findings.add([acknowledged.i], () => `${sent.value} at ${partition.name}@${offset} was never read`);
      else if (polledAt >= 0) delayed++;
    }
    if (delayed > 0) findings.note(`${delayed} delayed: acknowledged after the last poll that could return them began`);
    if (lost.size > 0 && sessions.reaches.size > 0) findings.note(`${lost.size} lost: see K1`);
    return findings.verdict(this);
  }
}

/** By partition: the offsets that readers jumped over. */
function jumpedOver(jumps: readonly Jump[]): Map<PartitionLife, OffsetRanges> {
  const byPartition = new Map<PartitionLife, OffsetRange[]>();
  for (const jump of jumps) {
    if (jump.found <= jump.expected || isRetention(jump)) continue;
    const ranges = byPartition.get(jump.partition) ?? [];
    byPartition.set(jump.partition, ranges);
    ranges.push({ start: jump.expected, end: jump.found });
  }
  return new Map([...byPartition].map(([partition, ranges]) => [partition, new OffsetRanges(ranges)]));
}

/** Of the readers that had come no further than an offset, the last poll. */
class LastPolls {
  private readonly reaches: readonly Reach[];

  constructor(reaches: readonly Reach[]) {
    let latest = -1;
    this.reaches = [...reaches]
      .sort((left, right) => left.next - right.next)
      .map(({ next, lastPollBegunAt }) => {
        latest = Math.max(latest, lastPollBegunAt);
        return { next, lastPollBegunAt: latest };
      });
  }

  /** The last poll of a reader that would have read `offset`; -1 when there is none. */
  below(offset: number): number {
    let first = 0;
    let end = this.reaches.length;
    while (first < end) {
      const middle = (first + end) >>> 1;
      const reach = this.reaches[middle];
      if (reach !== undefined && reach.next <= offset) first = middle + 1;
      else end = middle;
    }
    return this.reaches[first - 1]?.lastPollBegunAt ?? -1;
  }
}
