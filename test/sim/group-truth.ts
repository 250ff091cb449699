/**
 * group-truth.ts: what a group's members, producers and the coordinator's answers must agree on, whatever fails.
 *
 * Checks, by the names of reliability's promises:
 *   C1  a partition under one assignment epoch has one owner
 *   C2  a commit under an assignment epoch that was over before it was sent is refused
 *   C3  fetched offsets are never lower than what was acknowledged before the question, but for seeks
 *   C4  a committed offset means that every record below it was finished by some handler
 *   O1  records of one key are begun in order within one assignment of a member
 *   D1  what was acknowledged is in the log, once, at its offset; what was refused as NOT_APPLIED is not
 */
import { Violation } from "./violation.js";

interface SeekWindow {
  /** Seeks under way, or whose fate is unknown. */
  open: number;
  /** Counts seeks that began. */
  begun: number;
}

/** When something was asked. */
interface Mark {
  /** The seeks that had begun, all of them over; null: one was under way. Seeks meanwhile make the answer meaningless. */
  readonly since: number | null;
  /** What must be fetched at least. */
  readonly least: ReadonlyMap<number, number>;
}

export class GroupTruth {
  readonly acked = new Map<string, { readonly partition: number; readonly offset: number }>();
  readonly refused = new Set<string>();
  readonly finished = new Map<number, Set<number>>();
  deliveries = 0;
  commits = 0;
  fetches = 0;
  seeks = 0;
  private readonly newestEpochs = new Map<number, number>();
  private readonly owners = new Map<string, string>();
  private readonly committed = new Map<number, number>();
  private readonly window: SeekWindow = { open: 0, begun: 0 };

  onAssigned(memberId: string, partition: number, epoch: number): void {
    const key = `${partition}@${epoch}`;
    const owner = this.owners.get(key) ?? memberId;
    this.owners.set(key, owner);
    this.newestEpochs.set(partition, Math.max(this.newestEpochs.get(partition) ?? 0, epoch));
    if (owner !== memberId)
      throw new Violation(
        "C1",
        `partition ${partition} at assignment epoch ${epoch} is given to ${owner} and ${memberId}`,
      );
  }

  /** Whether somebody has been given this partition under a later epoch. */
  isFenced(partition: number, epoch: number): boolean {
    return epoch < (this.newestEpochs.get(partition) ?? 0);
  }

  /** Such a commit was acknowledged. */
  onFencedCommit(memberId: string, partition: number, epoch: number): void {
    const newest = this.newestEpochs.get(partition);
    throw new Violation(
      "C2",
      `${memberId} commits for partition ${partition} under epoch ${epoch}, ${newest} has begun`,
    );
  }

  onFinished(partition: number, offset: number): void {
    const offsets = this.finished.get(partition) ?? new Set<number>();
    this.finished.set(partition, offsets);
    offsets.add(offset);
    this.deliveries++;
  }

  /** A commit begins: what it says must be true already. */
  onCommit(partition: number, offset: number): void {
    const finished = this.finished.get(partition) ?? new Set<number>();
    for (let below = offset - 1; below >= 0; below--) {
      if (!finished.has(below))
        throw new Violation(
          "C4",
          `offset ${offset} of partition ${partition} is committed, ${below} was finished by nobody`,
        );
    }
  }

  onCommitAcked(partition: number, offset: number, since: Mark["since"]): void {
    this.commits++;
    if (this.window.open > 0 || this.window.begun !== since) return;
    this.committed.set(partition, Math.max(this.committed.get(partition) ?? 0, offset));
  }

  /** To be handed back when the answer comes. */
  mark(): Mark {
    return { since: this.window.open > 0 ? null : this.window.begun, least: new Map(this.committed) };
  }

  onFetched(mark: Mark, offsets: ReadonlyMap<number, number>): void {
    this.fetches++;
    if (this.window.open > 0 || this.window.begun !== mark.since) return;
    for (const [partition, least] of mark.least) {
      const offset = offsets.get(partition) ?? -1;
      if (offset < least)
        throw new Violation("C3", `partition ${partition} was committed at ${least}, later ${offset} is fetched`);
    }
  }

  seekBegins(): void {
    this.window.open++;
    this.window.begun++;
    this.committed.clear();
  }

  /** `isKnown`: it took effect or certainly not. */
  seekEnded(isKnown: boolean): void {
    this.seeks++;
    if (isKnown) this.window.open--;
  }

  /** Nothing is under way any more: later commits count again. */
  settle(): void {
    this.window.open = 0;
  }

  /** Records that were acknowledged and that no handler has finished. */
  missing(): string[] {
    return [...this.acked].flatMap(([value, { partition, offset }]) =>
      this.finished.get(partition)?.has(offset) === true ? [] : [`${value} at ${partition}/${offset}`],
    );
  }

  /** The whole log, as read after healing. */
  checkLog(records: readonly { readonly partition: number; readonly offset: number; readonly value: string }[]): void {
    const places = new Map<string, string>();
    for (const { partition, offset, value } of records) {
      const place = `${partition}/${offset}`;
      const before = places.get(value);
      if (before !== undefined) throw new Violation("D1", `${value} is in the log twice: ${before} and ${place}`);
      places.set(value, place);
      if (this.refused.has(value)) throw new Violation("D1", `${value} was refused as NOT_APPLIED and is at ${place}`);
    }
    for (const [value, { partition, offset }] of this.acked) {
      const place = places.get(value);
      if (place !== `${partition}/${offset}`)
        throw new Violation(
          "D1",
          `${value} was acknowledged at ${partition}/${offset} and is at ${place ?? "no place"}`,
        );
    }
  }
}
