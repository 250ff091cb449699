/**
 * s06-recovery.ts: what the disk of one replica must have, told by what was handed to storage and what it called durable.
 *
 * Invariant: after a crash the log is the synced one plus a prefix of the writes that were under way, of the last one perhaps only a
 * prefix of its frames, as if a shorter append had come; the vote of a term that was called durable is there.
 * Source: Raft thesis 3.8 and the `save` of the storage API.
 */
import type { GroupLog, HardState, LogWrite } from "@varve/storage";
import { hold } from "../violation.js";

interface Write {
  readonly hardState: HardState | null;
  readonly firstIndex: number;
  readonly terms: readonly number[];
  readonly resetIndex: number | null;
}

interface State {
  hardState: HardState;
  /** Indexes up to here stand in a snapshot. */
  baseIndex: number;
  /** Terms of the indexes above. */
  terms: number[];
}

export class SyncedLog {
  private synced: State = { hardState: { term: 0, vote: 0, commit: 0 }, baseIndex: 0, terms: [] };
  private underWay: Write[] = [];

  /** Whether this replica has promised something: a vote, or an entry. */
  get hasPromised(): boolean {
    const { hardState, baseIndex, terms } = this.synced;
    return hardState.term > 0 || baseIndex > 0 || terms.length > 0;
  }

  onSaved(write: LogWrite): void {
    const { hardState, frames, reset } = write;
    this.underWay.push({
      hardState,
      firstIndex: frames[0]?.index ?? 0,
      terms: frames.map(({ term }) => term),
      resetIndex: reset?.index ?? null,
    });
  }

  /** The oldest write under way is durable. */
  onDurable(): void {
    const write = this.underWay.shift();
    hold("S6", write !== undefined, () => "storage called something durable that was not written");
    if (write !== undefined) advance(this.synced, write);
  }

  /** Whether synced bytes here hold that entry. */
  holds(index: number, term: number): boolean {
    const { baseIndex, terms } = this.synced;
    return index <= baseIndex || terms[index - baseIndex - 1] === term;
  }

  /** @throws Violation when the recovered log is none that a crash may leave. */
  onRecovered(log: GroupLog): void {
    const { replicaId } = log.spec;
    const differences: string[] = [];
    for (;;) {
      const difference = differenceOf(this.synced, log);
      if (difference === null) break;
      differences.push(difference);
      const write = this.underWay.shift();
      hold("S6", write !== undefined, () => `replica ${replicaId}: ${differences.join("; or ")}`);
      if (write === undefined) break;
      const cut = cutAfter(write, log.lastIndex());
      const shorter = { ...this.synced, terms: [...this.synced.terms] };
      if (cut !== null) advance(shorter, cut);
      if (cut !== null && differenceOf(shorter, log) === null) {
        this.synced = shorter;
        break;
      }
      advance(this.synced, write);
    }
    this.checkVote(log);
    this.underWay = [];
    this.synced.hardState = log.hardState;
  }

  /** A term and vote may be newer than the log beside them, never older. */
  private checkVote(log: GroupLog): void {
    const { term, vote } = log.hardState;
    const allowed = [this.synced.hardState];
    for (const { hardState } of this.underWay) if (hardState !== null) allowed.push(hardState);
    hold(
      "S6",
      allowed.some((state) => state.term === term && state.vote === vote),
      () =>
        `replica ${log.spec.replicaId} recovers a vote for ${vote} in term ${term}; ` +
        `written: ${allowed.map((state) => `${state.vote} in ${state.term}`).join(", ")}`,
    );
  }
}

function advance(state: State, write: Write): void {
  if (write.resetIndex !== null) {
    state.baseIndex = write.resetIndex;
    state.terms = [];
  }
  if (write.hardState !== null) state.hardState = write.hardState;
  if (write.terms.length === 0) return;
  state.terms.length = Math.min(state.terms.length, write.firstIndex - state.baseIndex - 1);
  state.terms.push(...write.terms);
}

/** The write with its frames up to `index`; null when it has none there, or no others. */
function cutAfter(write: Write, index: number): Write | null {
  const count = index - write.firstIndex + 1;
  return count > 0 && count < write.terms.length ? { ...write, terms: write.terms.slice(0, count) } : null;
}

/** How a log differs from a state, null when it does not. */
function differenceOf({ baseIndex, terms }: State, log: GroupLog): string | null {
  const lastIndex = baseIndex + terms.length;
  if (log.lastIndex() !== lastIndex) return `the log ends at ${log.lastIndex()}, not at ${lastIndex}`;
  for (let index = Math.max(log.firstIndex(), baseIndex + 1); index <= lastIndex; index++) {
    const term = terms[index - baseIndex - 1];
    if (log.term(index) !== term && !isRetired(log, index))
      return `index ${index} is of term ${log.term(index)}, not ${term}`;
  }
  return null;
}

/** Below the log start an entry may still lie on disk, with its term forgotten. */
function isRetired(log: GroupLog, index: number): boolean {
  return index < log.pointers().logStartIndex && log.term(index) === "compacted";
}
