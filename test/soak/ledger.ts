/**
 * ledger.ts: what became of every send, and what the log must therefore hold.
 *
 * Invariants (what `verdict` looks for):
 *   E1  an acknowledged record is in the log, at the place that was acknowledged
 *   E2  a record whose send failed with NOT_APPLIED is not in the log
 *   E3  no record is in the log twice, and none that was not sent
 *   E4  acknowledged records of one partition are in the order of their sends
 * Records are numbers 0, 1, ...; memory is taken once, at the start, so that a run's memory shows the producer's.
 */
import { assert } from "@varve/base";

const OPEN = 0;
const ACKNOWLEDGED = 1;
const NOT_APPLIED = 2;
const UNKNOWN = 3;

/** Sends by what became of them. */
export interface Counts {
  readonly sent: number;
  readonly acknowledged: number;
  readonly notApplied: number;
  readonly unknown: number;
  readonly open: number;
}

/** What was found in the log, against what was said; the first five are breaches. */
export interface Verdict {
  readonly missing: number;
  readonly misplaced: number;
  readonly notAppliedPresent: number;
  readonly repeated: number;
  readonly outOfOrder: number;
  /** Records in the log that were never sent. */
  readonly strangers: number;
  /** Of the records whose fate was unknown, those that are there. */
  readonly unknownPresent: number;
  readonly found: number;
}

export class Ledger {
  private readonly fates: Uint8Array;
  private readonly partitions: Uint16Array;
  private readonly offsets: Float64Array;
  private readonly seen: Uint8Array;
  private readonly tallies = [0, 0, 0, 0];
  private readonly lastInOrder = new Map<number, number>();
  private sent = 0;
  private misplaced = 0;
  private repeated = 0;
  private outOfOrder = 0;
  private strangers = 0;
  private found = 0;

  constructor(recordsMax: number) {
    // Filled, so that the system gives the pages now and not during the run.
    this.fates = new Uint8Array(recordsMax).fill(OPEN);
    this.partitions = new Uint16Array(recordsMax).fill(1).fill(0);
    this.offsets = new Float64Array(recordsMax).fill(-1);
    this.seen = new Uint8Array(recordsMax).fill(1).fill(0);
  }

  get counts(): Counts {
    const [open = 0, acknowledged = 0, notApplied = 0, unknown = 0] = this.tallies;
    return { sent: this.sent, acknowledged, notApplied, unknown, open };
  }

  get isFull(): boolean {
    return this.sent >= this.fates.length;
  }

  /** The number of the next record to send. */
  begin(): number {
    assert(!this.isFull, "the ledger has room for every send of the run");
    this.tally(OPEN, 1);
    return this.sent++;
  }

  acknowledged(record: number, partition: number, offset: number): void {
    this.settle(record, ACKNOWLEDGED);
    this.partitions[record] = partition;
    this.offsets[record] = offset;
  }

  failed(record: number, effect: "NOT_APPLIED" | "UNKNOWN"): void {
    this.settle(record, effect === "NOT_APPLIED" ? NOT_APPLIED : UNKNOWN);
  }

  /** A record of the log; those of a partition in the order of their offsets. */
  read(record: number, partition: number, offset: number): void {
    this.found++;
    if (!Number.isInteger(record) || record < 0 || record >= this.sent) {
      this.strangers++;
      return;
    }
    if (this.seen[record] !== 0) this.repeated++;
    this.seen[record] = 1;
    if (this.fates[record] !== ACKNOWLEDGED) return;
    if (this.partitions[record] !== partition || this.offsets[record] !== offset) this.misplaced++;
    if (record <= (this.lastInOrder.get(partition) ?? -1)) this.outOfOrder++;
    this.lastInOrder.set(partition, record);
  }

  verdict(): Verdict {
    let missing = 0;
    let notAppliedPresent = 0;
    let unknownPresent = 0;
    for (let record = 0; record < this.sent; record++) {
      const isThere = this.seen[record] !== 0;
      const fate = this.fates[record];
      if (fate === ACKNOWLEDGED && !isThere) missing++;
      if (fate === NOT_APPLIED && isThere) notAppliedPresent++;
      if (fate === UNKNOWN && isThere) unknownPresent++;
    }
    const { misplaced, repeated, outOfOrder, strangers, found } = this;
    return { missing, misplaced, notAppliedPresent, repeated, outOfOrder, strangers, unknownPresent, found };
  }

  private settle(record: number, fate: number): void {
    assert(this.fates[record] === OPEN, "a send settles once");
    this.fates[record] = fate;
    this.tally(OPEN, -1);
    this.tally(fate, 1);
  }

  private tally(fate: number, by: number): void {
    this.tallies[fate] = (this.tallies[fate] ?? 0) + by;
  }
}

/** Whether what was said of every send is true. */
export function isTrue(verdict: Verdict): boolean {
  const { missing, misplaced, notAppliedPresent, repeated, outOfOrder, strangers } = verdict;
  return missing + misplaced + notAppliedPresent + repeated + outOfOrder + strangers === 0;
}
