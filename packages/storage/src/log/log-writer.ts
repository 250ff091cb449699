/**
 * log-writer.ts: one log's way into the WAL: what is queued, what is told when, and which WAL files are needed for it.
 *
 * Invariants:
 *   Q1  completions are told in the order of the calls, after the fdatasync that covers them; never for a stopped log
 *   Q2  the WAL files with the newest hard state and the newest mark are kept until newer ones are durable
 *   Q3  between a reset and its checkpoint being durable nothing of this log goes to the WAL: the mark there would name nothing
 */
import { assert } from "@varve/base";
import type { Frame, HardState, LogWrite } from "../api.js";
import type { Mark, WalRecord } from "../wal/records.js";
import type { WalWrite } from "../wal/wal.js";
import type { LogCore } from "./log-core.js";

interface Pending {
  readonly write: WalWrite;
  /** Calls that need no flush of their own, told together with this one. */
  readonly riders: (() => void)[];
}

export class LogWriter {
  private readonly core: LogCore;
  private hardStateFile = 0;
  private markFile = 0;
  private readonly pending: Pending[] = [];
  /** Q3: what waits, a section for each reset that is not durable yet; none: the way is open. */
  private readonly gate: WalWrite[][] = [];
  /** The newest mark that was queued; its segment is synced, or its checkpoint will be before it leaves the gate. */
  private newestMark: Mark | null = null;
  private isCommitQueued = false;

  constructor(core: LogCore) {
    this.core = core;
  }

  /** What recovery found in the WAL is needed there. */
  adopt(hardStateFile: number, markFile: number): void {
    const { references } = this.core.context;
    this.newestMark = this.core.mark;
    this.hardStateFile = hardStateFile;
    this.markFile = markFile;
    for (const file of [hardStateFile, markFile]) if (file !== 0) references.retain(file);
  }

  /** Queues the hard state and the frames; `replacedFiles` are released once the first of them is placed. */
  save(write: LogWrite, replacedFiles: readonly number[], onDurable: () => void): void {
    const { groupId } = this.core.spec;
    const records: WalRecord[] = [];
    if (write.hardState !== null) records.push({ kind: "hardState", groupId, hardState: this.stored(write.hardState) });
    for (const frame of write.frames) records.push({ kind: "frame", groupId, frame, isCopy: false });
    if (records.length === 0) this.ride(onDurable);
    else this.enqueue(records, replacedFiles, () => this.noteDurable(write.frames, onDurable));
  }

  /** A hard state in which only `commit` moved: nothing depends on it being durable, so it waits for another flush (Q1). */
  saveCommit(onDurable: () => void): void {
    this.ride(onDurable);
    if (this.isCommitQueued || this.gate.length > 0) return;
    this.isCommitQueued = true;
    const { core } = this;
    const hardStateRecord = (): WalRecord => ({
      kind: "hardState",
      groupId: core.spec.groupId,
      hardState: this.stored(core.hardState),
    });
    core.context.wal.appendLazy({
      get records() {
        return [hardStateRecord()];
      },
      placed: (record, file) => {
        this.isCommitQueued = false;
        this.place(record, file);
      },
      durable: () => undefined,
    });
  }

  /** Queues a mark; it counts when it is durable. */
  saveMark(mark: Mark, onDurable: () => void): void {
    this.newestMark = mark;
    this.enqueue([{ kind: "mark", groupId: this.core.spec.groupId, mark, isCopy: false }], [], onDurable);
  }

  /** Q3: holds back the reset mark and all that follows it, until `openGate`. */
  closeGate(mark: Mark, replacedFiles: readonly number[], onDurable: () => void): void {
    assert(mark.kind === "reset", "only a reset holds the WAL back");
    this.newestMark = mark;
    this.gate.push([
      this.makeWrite(
        [{ kind: "mark", groupId: this.core.spec.groupId, mark, isCopy: false }],
        replacedFiles,
        onDurable,
      ),
    ]);
  }

  /** The checkpoint of the oldest reset that waits is durable. */
  openGate(): void {
    const section = this.gate.shift();
    assert(section !== undefined, "a gate is opened once");
    for (const write of section) this.core.context.wal.append(write);
  }

  /** Writes again what keeps WAL files up to `file`: the hard state, the mark, the frames that are not committed. */
  copyForward(file: number): void {
    const { core } = this;
    if (this.gate.length > 0 || core.isStopped) return;
    const { groupId } = core.spec;
    const records: WalRecord[] = [];
    if (this.hardStateFile !== 0 && this.hardStateFile <= file) {
      records.push({ kind: "hardState", groupId, hardState: this.stored(core.hardState) });
    }
    const mark = this.newestMark;
    if (this.markFile !== 0 && this.markFile <= file && mark !== null)
      records.push({ kind: "mark", groupId, mark, isCopy: true });
    for (const frame of core.memory.framesIn(file, core.state.index + 1))
      records.push({ kind: "frame", groupId, frame, isCopy: true });
    if (records.length > 0) this.enqueue(records, [], () => undefined);
  }

  /** The log is gone: its files in the WAL are needed no more. */
  release(): void {
    const { references } = this.core.context;
    for (const file of [this.hardStateFile, this.markFile]) if (file !== 0) references.release(file);
    this.hardStateFile = 0;
    this.markFile = 0;
  }

  private stored(hardState: HardState): HardState {
    const { context, provenIndex } = this.core;
    const vote = context.voteNotPersisted ? 0 : hardState.vote;
    return { term: hardState.term, vote, commit: Math.min(hardState.commit, provenIndex) };
  }

  private enqueue(records: readonly WalRecord[], replacedFiles: readonly number[], onDurable: () => void): void {
    const write = this.makeWrite(records, replacedFiles, onDurable);
    const section = this.gate[this.gate.length - 1];
    if (section !== undefined) section.push(write);
    else this.core.context.wal.append(write);
  }

  private makeWrite(records: readonly WalRecord[], replacedFiles: readonly number[], onDurable: () => void): WalWrite {
    const { core } = this;
    let replaced = replacedFiles;
    const pending: Pending = {
      riders: [],
      write: {
        records,
        placed: (record, file) => {
          this.place(record, file);
          for (const old of replaced) core.context.references.release(old);
          replaced = [];
        },
        durable: () => {
          const first = this.pending.shift();
          assert(first === pending, "Q1: completions come in the order of the calls");
          onDurable();
          for (const rider of pending.riders) if (!core.isStopped) rider();
        },
      },
    };
    this.pending.push(pending);
    return pending.write;
  }

  private place(record: WalRecord, file: number): void {
    const { core } = this;
    const { references } = core.context;
    if (core.isStopped) return;
    if (record.kind === "frame") core.memory.place(record.frame, file);
    else if (record.kind === "hardState") {
      references.retain(file);
      if (this.hardStateFile !== 0) references.release(this.hardStateFile);
      this.hardStateFile = file;
    } else if (record.kind === "mark") {
      references.retain(file);
      if (this.markFile !== 0) references.release(this.markFile);
      this.markFile = file;
    }
  }

  /** Tells `onDurable` when all that was queued before is durable; at once, but not inside the call, when nothing is. */
  private ride(onDurable: () => void): void {
    const last = this.pending[this.pending.length - 1];
    if (last !== undefined) last.riders.push(onDurable);
    else
      this.core.context.clock.defer(() => {
        if (!this.core.isStopped) onDurable();
      });
  }

  private noteDurable(frames: readonly Frame[], onDurable: () => void): void {
    const { core } = this;
    if (core.isStopped) return;
    const last = frames[frames.length - 1];
    // A completion for a frame that was replaced meanwhile says nothing about what stands there now.
    if (last !== undefined && core.memory.get(last.index) === last) {
      core.durableIndex = Math.max(core.durableIndex, last.index);
      core.provenIndex = core.durableIndex;
    }
    onDurable();
  }
}
