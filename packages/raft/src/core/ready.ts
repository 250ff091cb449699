/**
 * ready.ts: gathers what the host must do, and keeps account of what it was told.
 *
 * Invariants:
 *   O1  what waits for durability (S2) leaves as the responses of an append, or after the host wrote (synchronous mode)
 *   O2  every entry and snapshot is handed to the writer once, in order, and acknowledged by its own index and term
 *   O3  every committed entry is handed out once, in order
 * Source: Raft thesis section 10.2.1; "MsgStorageAppend" and its kin are named as in etcd raft.
 */
import { assert } from "../assert.js";
import {
  APPEND_THREAD,
  APPLY_THREAD,
  type Entry,
  type HardState,
  type Message,
  type Ready,
  type Snapshot,
  type SoftState,
} from "../types.js";
import { draft } from "./messages.js";
import type { RaftState } from "./state.js";

const NOTHING: readonly Entry[] = Object.freeze([]);

export class ReadyMaker {
  private softState: SoftState;
  private hardState: HardState;
  /** Synchronous mode: what this node steps itself once the host has written and applied. */
  private stepsOnAdvance: readonly Message[] | null = null;

  constructor(private readonly raft: RaftState) {
    this.softState = { leader: raft.leader, state: raft.state };
    this.hardState = raft.hardState();
  }

  hasReady(): boolean {
    const { raft } = this;
    return (
      raft.messages.length > 0 ||
      raft.afterAppend.length > 0 ||
      raft.log.unstable.hasNextEntries() ||
      raft.log.unstable.nextSnapshot() !== null ||
      raft.readStates.length > 0 ||
      this.hardStateChanged() ||
      this.softStateChanged() ||
      raft.log.hasNextCommitted(this.allowUnstable)
    );
  }

  /** The host will do all of this. */
  take(): Ready {
    const { raft } = this;
    assert(this.stepsOnAdvance === null, "advance() comes between two Ready");
    const committedEntries = raft.log.nextCommitted(this.allowUnstable) ?? NOTHING;
    const ready = {
      softState: this.softStateChanged() ? { leader: raft.leader, state: raft.state } : null,
      hardState: this.hardStateChanged() ? raft.hardState() : null,
      entries: raft.log.unstable.nextEntries(),
      committedEntries,
      messages: raft.messages as Message[],
      snapshot: raft.log.unstable.nextSnapshot(),
      readStates: raft.readStates,
      mustSync: false,
    };
    ready.mustSync = ready.entries.length > 0 || raft.term !== this.hardState.term || raft.vote !== this.hardState.vote;
    if (raft.options.asyncStorageWrites) this.addStorageMessages(ready);
    else this.deferOwnSteps(ready);
    this.accept(ready);
    return ready;
  }

  /** Synchronous mode: what to step now that everything of the last Ready is done. */
  takeStepsOnAdvance(): readonly Message[] {
    const steps = this.stepsOnAdvance;
    assert(steps !== null, "advance() follows ready(), and only in synchronous mode");
    this.stepsOnAdvance = null;
    return steps;
  }

  /** Without asynchronous writes the host writes entries before it applies them, so both may be in one Ready. */
  private get allowUnstable(): boolean {
    return !this.raft.options.asyncStorageWrites;
  }

  private softStateChanged(): boolean {
    return this.softState.leader !== this.raft.leader || this.softState.state !== this.raft.state;
  }

  private hardStateChanged(): boolean {
    const { raft, hardState } = this;
    return raft.term !== hardState.term || raft.vote !== hardState.vote || raft.log.committed !== hardState.commit;
  }

  private addStorageMessages(ready: { readonly messages: Message[] } & Ready): void {
    const { raft } = this;
    const { hardState, entries, snapshot, committedEntries } = ready;
    if (hardState !== null || entries.length > 0 || snapshot !== null || raft.afterAppend.length > 0) {
      const append = draft("MsgStorageAppend", raft.id, APPEND_THREAD);
      append.entries = entries;
      append.snapshot = snapshot;
      if (hardState !== null) {
        append.term = hardState.term;
        append.vote = hardState.vote;
        append.commit = hardState.commit;
      }
      // The node's own acknowledgement comes before the release of its entries: their terms are then at hand.
      const responses: Message[] = raft.afterAppend;
      if (this.needsAppendResponse(snapshot)) responses.push(this.appendResponse(snapshot));
      append.responses = responses;
      ready.messages.push(append);
    }
    if (committedEntries.length > 0) {
      const apply = draft("MsgStorageApply", raft.id, APPLY_THREAD);
      apply.entries = committedEntries;
      apply.responses = [this.applyResponse(committedEntries)];
      ready.messages.push(apply);
    }
  }

  private deferOwnSteps(ready: { readonly messages: Message[] } & Ready): void {
    const { raft } = this;
    const steps: Message[] = [];
    for (const message of raft.afterAppend) (message.to === raft.id ? steps : ready.messages).push(message); // O1
    if (this.needsAppendResponse(ready.snapshot)) steps.push(this.appendResponse(ready.snapshot));
    if (ready.committedEntries.length > 0) steps.push(this.applyResponse(ready.committedEntries));
    this.stepsOnAdvance = steps;
  }

  private needsAppendResponse(snapshot: Snapshot | null): boolean {
    return snapshot !== null || this.raft.log.unstable.hasNextOrInProgressEntries();
  }

  /** The acknowledgement of everything unstable: appends are written in order, so the last one covers all before. */
  private appendResponse(snapshot: Snapshot | null): Message {
    const { raft } = this;
    const response = draft("MsgStorageAppendResp", APPEND_THREAD, raft.id);
    response.term = raft.term; // Z3
    if (raft.log.unstable.hasNextOrInProgressEntries()) {
      response.index = raft.log.lastIndex();
      response.logTerm = raft.log.lastTerm();
    }
    response.snapshot = snapshot;
    return response;
  }

  private applyResponse(entries: readonly Entry[]): Message {
    const response = draft("MsgStorageApplyResp", APPLY_THREAD, this.raft.id);
    response.entries = entries;
    return response;
  }

  private accept(ready: Ready): void {
    const { raft } = this;
    if (ready.softState !== null) this.softState = ready.softState;
    if (ready.hardState !== null) {
      assert(ready.hardState.term >= this.hardState.term, "S1");
      assert(ready.hardState.commit >= this.hardState.commit, "L1");
      this.hardState = ready.hardState;
    }
    raft.messages = [];
    raft.afterAppend = [];
    if (raft.readStates.length > 0) raft.readStates = [];
    raft.log.unstable.acceptInProgress();
    if (ready.committedEntries.length > 0) raft.log.acceptApplying(ready.committedEntries, this.allowUnstable);
  }
}
