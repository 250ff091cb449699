/**
 * command-log.ts: puts commands of a state machine into its replica's log and answers each when it is applied.
 *
 * Invariants:
 *   L1  a command is answered with the result of the very entry that it became: same index, same term
 *   L2  "nothing was done" is said only when nothing was appended, or another term is applied at its index
 *   L3  at most `pendingMax` commands wait
 */
import type { Clock, RaftIndex, Term, TimerHandle, VarveError } from "@varve/base";
import { type Frame, FrameKind } from "@varve/storage";
import { EntryType } from "raft-ts";
import type { Replica } from "./replica.js";

/** The errors of one state machine's commands, worded by it. */
export interface CommandErrors {
  /** Nothing was appended, or it was replaced. */
  notLeader(): VarveError;
  /** `pendingMax` commands wait; nothing was appended. */
  overloaded(pendingMax: number): VarveError;
  /** Leadership was lost before the command was committed. */
  unknown(): VarveError;
}

interface PendingCommand<Result> {
  readonly term: Term;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: VarveError) => void;
}

/** Commands appended and not yet applied that one leader keeps at most. */
const PENDING_MAX = 1_000;
/** After losing leadership, how long the new leader's log is waited for before a command's fate is called unknown, milliseconds. */
const FATE_WAIT_MS = 500;

export class CommandLog<Result> {
  private readonly clock: Clock;
  private readonly errors: CommandErrors;
  private readonly pending = new Map<RaftIndex, PendingCommand<Result>>();
  private fateTimer: TimerHandle | null = null;

  constructor(clock: Clock, errors: CommandErrors) {
    this.clock = clock;
    this.errors = errors;
  }

  /** @throws VarveError of `errors`. */
  execute(replica: Replica | null, data: Uint8Array): Promise<Result> {
    if (replica === null || !replica.isReadyLeader()) return Promise.reject(this.errors.notLeader());
    if (this.pending.size >= PENDING_MAX) return Promise.reject(this.errors.overloaded(PENDING_MAX));
    try {
      const { index, term } = replica.propose({
        type: EntryType.normal,
        kind: FrameKind.state,
        data,
        offsetSpan: 0,
        recordCount: 0,
        stamp: null,
      });
      // One of an earlier term of leadership that waits here still: this entry replaces it in this log, perhaps not in another's.
      this.pending.get(index)?.reject(this.errors.unknown());
      return new Promise((resolve, reject) => this.pending.set(index, { term, resolve, reject }));
    } catch (error) {
      const isDropped = error instanceof Error && error.name === "ProposalDropped";
      return Promise.reject(isDropped ? this.errors.notLeader() : error);
    }
  }

  /** The frame at this place was applied; `result` is null when it carries no command. */
  settle(frame: Frame, result: Result | null): void {
    const pending = this.pending.get(frame.index);
    if (pending === undefined) return;
    this.pending.delete(frame.index);
    if (pending.term === frame.term && result !== null) pending.resolve(result);
    else pending.reject(this.errors.notLeader());
  }

  /** This broker leads no more: what is appended may still be committed, and is answered when it is applied here soon. */
  lostLeadership(): void {
    if (this.pending.size === 0 || this.fateTimer !== null) return;
    this.fateTimer = this.clock.setTimer(FATE_WAIT_MS, () => this.abandon());
  }

  /** Nobody here learns any more what becomes of the commands. */
  abandon(): void {
    this.fateTimer?.cancel();
    this.fateTimer = null;
    for (const pending of this.pending.values()) pending.reject(this.errors.unknown());
    this.pending.clear();
  }
}
