/**
 * log-matching.ts: entries of the same index and term are the same entry, and so are all before them.
 *
 * Checked where an entry enters a log: its content and the term before it must be what every other log has had there. By induction
 * over the index that is the whole property, at the price of one look-up per entry.
 * Source: Raft paper, figure 3, "Log Matching".
 */
import type { Frame, GroupLog } from "@varve/storage";
import { digestOf } from "../truth.js";
import { hold } from "../violation.js";

interface Seen {
  readonly digest: number;
  readonly previousTerm: number | null;
}

export class LogMatching {
  private readonly seen = new Map<string, Seen>();

  /** These frames are in that log now. */
  onAppended(log: GroupLog, frames: readonly Frame[]): void {
    let previous = frames[0] === undefined ? null : termAt(log, frames[0].index - 1);
    for (const frame of frames) {
      this.note(frame, previous);
      previous = frame.term;
    }
  }

  private note(frame: Frame, previousTerm: number | null): void {
    const key = `${frame.groupId}/${frame.index}/${frame.term}`;
    const digest = digestOf(frame);
    const first = this.seen.get(key);
    if (first === undefined) {
      this.seen.set(key, { digest, previousTerm });
      return;
    }
    hold("log-matching", first.digest === digest, () => `${key} has two contents`);
    const isSame = first.previousTerm === null || previousTerm === null || first.previousTerm === previousTerm;
    hold("log-matching", isSame, () => `${key} follows term ${first.previousTerm} and term ${previousTerm}`);
  }
}

function termAt(log: GroupLog, index: number): number | null {
  const term = log.term(index);
  return typeof term === "number" ? term : null;
}
