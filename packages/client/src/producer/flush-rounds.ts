/**
 * flush-rounds.ts: which sends were before a flush: each flush ends a round, and waits until the sends of all rounds up to its own are settled.
 *
 * Invariant F1: a flush never waits for a send that came after it, so it ends although others go on sending.
 * Bound: one counter per round with sends that are not settled; a flush without a send before it begins no round.
 */
import { assert, assertDefined } from "@varve/base";

interface Flush {
  readonly round: number;
  readonly resolve: () => void;
}

export class FlushRounds {
  private current = 0;
  /** Round -> its sends that are not settled; in the order of rounds. */
  private readonly unsettled = new Map<number, number>();
  private flushes: Flush[] = [];

  /** Whether every send is settled. */
  get isEmpty(): boolean {
    return this.unsettled.size === 0;
  }

  /** Whether a flush waits. */
  get isFlushing(): boolean {
    return this.flushes.length > 0;
  }

  /** Counts a send; answers its round. */
  begin(): number {
    this.unsettled.set(this.current, (this.unsettled.get(this.current) ?? 0) + 1);
    return this.current;
  }

  /** So many sends of a round are settled. */
  settle(round: number, sends: number): void {
    const left = assertDefined(this.unsettled.get(round), "a settled send was begun") - sends;
    assert(left >= 0, "a send is settled once");
    if (left > 0) {
      this.unsettled.set(round, left);
      return;
    }
    this.unsettled.delete(round);
    const oldest = this.oldest();
    const over = this.flushes.filter((flush) => flush.round < oldest);
    this.flushes = this.flushes.filter((flush) => flush.round >= oldest);
    for (const { resolve } of over) resolve();
  }

  /** Ends the round; resolves when every send up to now is settled. */
  flush(): Promise<void> {
    const round = this.current;
    if (this.unsettled.has(round)) this.current++;
    if (this.isEmpty) return Promise.resolve();
    return new Promise((resolve) => this.flushes.push({ round, resolve }));
  }

  private oldest(): number {
    const first = this.unsettled.keys().next();
    return first.done === true ? Number.POSITIVE_INFINITY : first.value;
  }
}
