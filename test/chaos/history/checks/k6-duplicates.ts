/**
 * k6-duplicates.ts: K6: a producer's records stand once each, in the order of its sends, without gaps. Promises O3, I1.
 *
 *   P1  a value has one place, however often it was sent and whoever looks
 *   P2  of two records of one producer in one partition the one that was sent first has the lower offset
 *   P3  an acknowledged record is not missing between others of its producer
 *
 * The producer and its count are taken from the value, `producer:sequence`. Two records are compared by P2 when count and invokes agree on which was
 * sent first: what an application sends again is outside of the producer's order. A refused or unknown send leaves no gap, and who sends with
 * acks `none` has no order.
 */
import { type Check, Findings, type Verdict } from "../check.js";
import type { Ledger, Sighting } from "../index/ledger.js";
import type { PartitionLife } from "../index/partition-life.js";
import type { Sent } from "../index/sent.js";
import { lostWrites } from "./k1-lost-write.js";

interface Scattered {
  readonly at: Set<number>;
  readonly places: Set<string>;
}

export class Duplicates implements Check {
  readonly id = "K6";
  readonly promise = "records stand once, in the order of their producer";
  readonly meaning = "a record stands twice, or a producer's order is broken";
  private readonly findings = new Findings();
  private readonly scattered = new Map<Sent, Scattered>();

  constructor(private readonly ledger: Ledger) {}

  sight({ sent, partition, offset, i }: Sighting): void {
    const first = sent?.firstPlace ?? null;
    if (sent === null || partition === null || first === null) return;
    if (first.partition === partition && first.offset === offset) return;
    const places = [`${first.partition.name}@${first.offset}`];
    const known = this.scattered.get(sent) ?? { at: new Set(firstSeenAt(sent)), places: new Set(places) };
    this.scattered.set(sent, known);
    known.at.add(i);
    known.places.add(`${partition.name}@${offset}`);
  }

  finish(): Verdict {
    for (const [sent, { at, places }] of this.scattered)
      this.findings.add([...at], () => `P1: ${sent.value} is at ${[...places].slice(0, 4).join(" and ")}`);
    const kept = new Map<PartitionLife, Map<string, Sent>>();
    for (const partition of this.ledger.partitions()) kept.set(partition, this.judgeOrder(partition));
    for (const { sent, i, where } of lostWrites(this.ledger)) {
      const partition = sent.acknowledged?.place?.partition;
      const later = partition === undefined ? undefined : kept.get(partition)?.get(sent.origin?.producer ?? "");
      if (later !== undefined && isSentBefore(sent, later))
        this.findings.add([i], () => `P3: ${sent.value} is missing at ${where}, but ${later.value} is there`);
    }
    return this.findings.verdict(this);
  }

  /** P2. @returns each producer's newest record that is in the log at the end. */
  private judgeOrder(partition: PartitionLife): Map<string, Sent> {
    const newest = new Map<string, Sent>();
    const kept = new Map<string, Sent>();
    const offsets = Float64Array.from(partition.occupants.keys()).sort();
    for (const offset of offsets) {
      const occupant = partition.occupants.get(offset);
      if (occupant === undefined || occupant.sent.origin === null || occupant.sent.acks === "none") continue;
      const { sent, i } = occupant;
      const { producer, sequence } = occupant.sent.origin;
      const before = newest.get(producer);
      if (before !== undefined && isSentBefore(sent, before))
        this.findings.add(
          [...firstSeenAt(before), i],
          () => `P2: ${sent.value} is at ${partition.name}@${offset}, behind ${before.value}`,
        );
      if (before === undefined || sequence > (before.origin?.sequence ?? 0)) newest.set(producer, sent);
      if (sent.firstFinalAt >= 0 && sequence > (kept.get(producer)?.origin?.sequence ?? -1)) kept.set(producer, sent);
    }
    return kept;
  }
}

/** Whether count and invokes agree that a record was sent before another of its producer. */
function isSentBefore(sent: Sent, other: Sent): boolean {
  if (sent.origin === null || other.origin === null || sent.lastBegun === null || other.firstBegun === null)
    return false;
  return sent.origin.sequence < other.origin.sequence && sent.lastBegun.i < other.firstBegun.i;
}

/** A record's first place was named by whoever spoke of it there first. */
function firstSeenAt({ firstPlace }: Sent): number[] {
  const occupant = firstPlace?.partition.occupants.get(firstPlace.offset);
  return occupant === undefined ? [] : [occupant.i];
}
