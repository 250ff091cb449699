/**
 * s04-log-matching.ts: entries of the same index and term are the same entry, and so are all before them; and term, commit index, high watermark
 * and log start of a running replica never go back.
 *
 * Checked where an entry enters a log: its content and the term before it must be what every other log has had there. By induction
 * over the index that is the whole property, at the price of one look-up per entry.
 * Source: Raft paper, figure 3, "Log Matching"; figure 2 for what only grows.
 */
import type { Frame, GroupLog } from "@varve/storage";
import { digestOf } from "../truth.js";
import { hold } from "../violation.js";

interface Seen {
  readonly digest: number;
  readonly previousTerm: number | null;
}

/** What only grows while a replica runs. */
export interface Marks {
  readonly term: number;
  readonly commit: number;
  readonly highWatermark: number;
  readonly logStartOffset: number;
}

export class LogMatching {
  private readonly seen = new Map<string, Seen>();
  private readonly marks = new WeakMap<GroupLog, Marks>();

  /** These frames are in that log now. */
  onAppended(log: GroupLog, frames: readonly Frame[]): void {
    let previous = frames[0] === undefined ? null : termAt(log, frames[0].index - 1);
    for (const frame of frames) {
      this.note(frame, previous);
      previous = frame.term;
    }
  }

  /** A replica stands here. A log object lives as long as its process. */
  onMarks(log: GroupLog, now: Marks): void {
    const before = this.marks.get(log);
    this.marks.set(log, now);
    if (before === undefined) return;
    for (const mark of ["term", "commit", "highWatermark", "logStartOffset"] as const)
      hold(
        "S4",
        now[mark] >= before[mark],
        () => `${mark} of replica ${log.spec.replicaId} goes back from ${before[mark]} to ${now[mark]}`,
      );
  }

  private note(frame: Frame, previousTerm: number | null): void {
    const key = `${frame.groupId}/${frame.index}/${frame.term}`;
    const digest = digestOf(frame);
    const first = this.seen.get(key);
    if (first === undefined) {
      this.seen.set(key, { digest, previousTerm });
      return;
    }
    hold("S4", first.digest === digest, () => `${key} has two contents`);
    const isSame = first.previousTerm === null || previousTerm === null || first.previousTerm === previousTerm;
    hold("S4", isSame, () => `${key} follows term ${first.previousTerm} and term ${previousTerm}`);
  }
}

function termAt(log: GroupLog, index: number): number | null {
  const term = log.term(index);
  return typeof term === "number" ? term : null;
}
