/**
 * k16-leader-changes.ts: K16: leaders are stable, and epochs follow the log. Promise A4; epochs are Raft terms.
 *
 *   E1  along the offsets of a partition the epoch of acknowledged records never falls
 *   E2  a partition changes its leader at most 3 times in any minute beyond what faults explain
 *
 * A change is seen when an acknowledgement bears a higher epoch than any before. The beginning and the end of a fault explain two changes each, for ten
 * seconds; minutes in which a fault disturbs links, disks or clocks all the time are not judged. What else K16 bounds, memory and descriptors, is in no
 * history.
 */
import { type Check, Findings, type Verdict } from "../check.js";
import type { Step } from "../events.js";
import { Faults } from "../index/faults.js";
import type { Ledger } from "../index/ledger.js";
import type { PartitionLife } from "../index/partition-life.js";

const CHANGES_MAX = 3;
const WINDOW_MS = 60_000;
const EXPLAINED_MS = 10_000;
const CHANGES_OF_A_FAULT = 2;

interface Change {
  readonly i: number;
  readonly t: number;
  readonly epoch: number;
}

/** Acknowledgements of one partition, in columns. */
interface Acks {
  readonly offsets: number[];
  readonly epochs: number[];
  readonly events: number[];
  readonly changes: Change[];
  epochMax: number | null;
}

export class LeaderChanges implements Check {
  readonly id = "K16";
  readonly promise = "leaders are stable, and epochs follow the log";
  readonly meaning = "too many leader changes, or an epoch that goes back";
  private readonly findings = new Findings();
  private readonly acks = new Map<PartitionLife, Acks>();
  private readonly faults = new Faults();

  constructor(private readonly ledger: Ledger) {}

  feed(step: Step): void {
    if (step.f === "nemesis") this.faults.feed(step);
    if (step.f !== "send" || step.type !== "ok") return;
    const { partition, offset, epoch } = step.answer;
    const place = partition < 0 || offset < 0 ? null : this.ledger.partitionNow(step.ask.topic, partition);
    if (place === null || epoch === null) return;
    const acks = this.acksOf(place);
    if (acks.epochMax !== null && epoch > acks.epochMax) acks.changes.push({ i: step.i, t: step.t, epoch });
    acks.epochMax = Math.max(epoch, acks.epochMax ?? epoch);
    // What a leader acknowledged alone may have gone, and its offset with it.
    if (step.ask.acks !== "quorum") return;
    acks.offsets.push(offset);
    acks.epochs.push(epoch);
    acks.events.push(step.i);
  }

  finish(): Verdict {
    let most = { count: 0, name: "" };
    for (const [partition, acks] of this.acks) {
      this.judgeEpochs(partition, acks);
      this.judgeChanges(partition, acks.changes);
      if (acks.changes.length > most.count) most = { count: acks.changes.length, name: partition.name };
    }
    if (most.count > 0) this.findings.note(`most leader changes: ${most.count}, of ${most.name}`);
    return this.findings.verdict(this);
  }

  /** E1; each fall counts once. */
  private judgeEpochs(partition: PartitionLife, { offsets, epochs, events }: Acks): void {
    const order = Uint32Array.from(offsets.keys()).sort((left, right) => at(offsets, left) - at(offsets, right));
    let before: number | null = null;
    for (const now of order) {
      if (before !== null && at(offsets, now) !== at(offsets, before) && at(epochs, now) < at(epochs, before)) {
        const name = (ack: number): string => `epoch ${at(epochs, ack)} at ${at(offsets, ack)}`;
        const said = `E1: ${partition.name} has ${name(before)}, but ${name(now)}`;
        this.findings.add([at(events, before), at(events, now)], () => said);
      }
      before = now;
    }
  }

  /** E2. */
  private judgeChanges(partition: PartitionLife, changes: readonly Change[]): void {
    let first = 0;
    for (const [last, change] of changes.entries()) {
      while (at(changes, first).t <= change.t - WINDOW_MS) first++;
      const start = change.t - WINDOW_MS;
      if (this.faults.isUnsteady(start - EXPLAINED_MS, change.t)) continue;
      const explained = CHANGES_OF_A_FAULT * this.faults.turns(start - EXPLAINED_MS, change.t);
      const count = last - first + 1;
      if (count <= CHANGES_MAX + explained) continue;
      const what = `E2: ${partition.name} came to epoch ${change.epoch}, its change ${count} within a minute`;
      this.findings.add([change.i], () => what);
    }
  }

  private acksOf(partition: PartitionLife): Acks {
    let acks = this.acks.get(partition);
    if (acks === undefined) {
      acks = { offsets: [], epochs: [], events: [], changes: [], epochMax: null };
      this.acks.set(partition, acks);
    }
    return acks;
  }
}

function at<T>(list: readonly T[], index: number): T {
  const found = list[index];
  if (found === undefined) throw new RangeError(`${index} lies outside of the list`);
  return found;
}
