/**
 * crash-machine.ts: a machine that does one operation after another on two logs, loses its power at a given step, and comes back.
 */
import { assert } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { type Frame, FrameKind, type GroupLog, type LogSnapshot, type Storage } from "../api.js";
import { encodeLogStart } from "../frame/payload.js";
import { decodeSnapshot, encodeCheckpoint } from "../log/checkpoint.js";
import { GroupLogImpl } from "../log/group-log.js";
import { emptyImage } from "../log/log-state.js";
import { SegmentPlan } from "../log/segment-plan.js";
import { LogModel } from "./crash-model.js";
import {
  batchFrame,
  type FramePlace,
  frameOf,
  ManualClock,
  openOn,
  REPLICAS,
  settle,
  specOf,
  TINY_CONFIG,
  tinyOptions,
} from "./log-driver.js";
import { type CrashChoice, SimDisk } from "./sim-disk.js";

/** Everything a log can be asked to do. */
export const OPERATIONS = [
  "append",
  "replace",
  "commit",
  "vote",
  "drain",
  "roll",
  "checkpoint",
  "retention",
  "reset",
  "conf",
  "idle",
  "load",
  "follow",
] as const;
export type Operation = (typeof OPERATIONS)[number];

const GROUPS = [1, 2] as const;

export class CrashMachine {
  readonly disk = new SimDisk();
  private clock = new ManualClock();
  private readonly models = new Map<number, LogModel>();
  private readonly prng: Prng;
  private storage: Storage | null = null;
  private starts = 0;
  private values = 0;
  fatal: Error | null = null;

  constructor(seed: number) {
    this.prng = new Prng(seed);
    for (const groupId of GROUPS) this.models.set(groupId, new LogModel());
  }

  /** Opens the directory and judges what is there. Null: right, or the power went off on the way. */
  async start(): Promise<string | null> {
    this.starts++;
    this.storage = null;
    this.clock = new ManualClock();
    const options = tinyOptions(this.clock, this.starts, {
      onFatal: (error) => {
        this.fatal = error;
      },
    });
    const opening = openOn(this.disk, options).then(async (storage) => {
      for (const groupId of GROUPS) {
        if (storage.group(groupId) === null) await storage.createGroup(specOf(groupId), TINY_CONFIG);
      }
      this.storage = storage;
    });
    let failure: unknown = null;
    opening.catch((error: unknown) => {
      failure = error;
    });
    await this.settled();
    if (failure !== null) return `open failed: ${failure instanceof Error ? failure.stack : String(failure)}`;
    if (this.storage === null) return null;
    for (const groupId of GROUPS) {
      const problem = await this.judge(groupId);
      if (problem !== null) return `group ${groupId}: ${problem}`;
    }
    return null;
  }

  private async judge(groupId: number): Promise<string | null> {
    const verdict = this.model(groupId).judge(this.log(groupId));
    let answer: string | null | undefined;
    verdict.then(
      (problem) => {
        answer = problem;
      },
      (error: unknown) => {
        answer = error instanceof Error ? (error.stack ?? error.message) : String(error);
      },
    );
    await this.settled();
    return answer === undefined ? null : answer; // Undefined: the power went off while it was read.
  }

  /** Power off now; some of what was not synced stays. */
  crash(choice: CrashChoice): void {
    this.disk.onStep = null;
    this.disk.crash(choice);
  }

  /** Power goes off right before the step with that number, counted from now. */
  failAfter(steps: number): void {
    const last = this.disk.steps + steps;
    this.disk.onStep = ({ number }) => {
      if (number > last) this.disk.powerOff();
    };
  }

  /** Stops in order; the next start must find everything. */
  async stop(): Promise<void> {
    const closing = this.storage?.close();
    await this.settled();
    await closing;
  }

  /** Does one operation on one log and lets all that follows from it happen. */
  async act(operation: Operation, groupId: number): Promise<void> {
    if (this.storage === null) return;
    const log = this.log(groupId);
    if (log.quarantine === null) this.begin(operation, log);
    await this.settled();
  }

  private begin(operation: Operation, log: GroupLog): void {
    const { keeper, core } = implementationOf(log);
    const begin: Record<Operation, () => void> = {
      append: () => this.save(log, this.frames(log, log.lastIndex() + 1, log.nextOffset(), this.prng.between(1, 4))),
      replace: () => this.replace(log),
      commit: () => this.commit(log, log.pointers().durableIndex),
      follow: () => this.follow(log),
      vote: () =>
        this.save(log, [], {
          term: log.hardState.term + 1,
          vote: this.prng.between(0, 3),
          commit: log.hardState.commit,
        }),
      drain: () => void keeper.drain(),
      roll: () => (core.plan.canRoll() ? keeper.roll() : undefined),
      checkpoint: () => keeper.checkpoint(),
      retention: () => this.moveLogStart(log),
      reset: () => this.reset(log),
      conf: () => this.configure(log),
      idle: () => this.clock.advance(100),
      load: () =>
        log.firstIndex() < log.lastIndex() ? void log.load(log.firstIndex(), log.lastIndex(), 10_000) : undefined,
    };
    begin[operation]();
  }

  private save(log: GroupLog, frames: readonly Frame[], hardState: GroupLog["hardState"] | null = null): void {
    const term = frames[frames.length - 1]?.term ?? 0;
    const stored = hardState ?? (term > log.hardState.term ? { term, vote: 0, commit: log.hardState.commit } : null);
    const write = { hardState: stored, frames, reset: null };
    log.save(write, this.model(log.spec.groupId).saved(write));
  }

  private frames(log: GroupLog, first: number, firstOffset: number, count: number): Frame[] {
    const term = Math.max(1, log.hardState.term);
    const frames: Frame[] = [];
    let baseOffset = firstOffset;
    for (let at = 0; at < count; at++) {
      const values = Array.from({ length: this.prng.between(1, 3) }, () => this.value());
      frames.push(batchFrame({ groupId: log.spec.groupId, index: first + at, term, baseOffset }, values));
      baseOffset += values.length;
    }
    return frames;
  }

  private value(): string {
    this.values++;
    return `${this.values}:${"v".repeat(this.prng.between(0, 300))}`;
  }

  /** A new leader's entries take the place of some that were never committed. */
  private replace(log: GroupLog): void {
    const kept = Math.max(log.pointers().appliedIndex, this.model(log.spec.groupId).committed);
    if (log.lastIndex() <= kept) return;
    const first = this.prng.between(kept + 1, log.lastIndex());
    const [old] = log.entries(first, first + 1, 1) as readonly Frame[];
    assert(old !== undefined, "frames that are not applied are in memory");
    const term = log.hardState.term + 1;
    const place: FramePlace = { groupId: log.spec.groupId, index: first, term, baseOffset: old.baseOffset };
    this.save(log, [batchFrame(place, [this.value()])], { term, vote: 1, commit: log.hardState.commit });
  }

  /** A new leader's entries, more than one flush of them, of which the follower learns at once that they are committed. */
  private follow(log: GroupLog): void {
    const first = Math.max(log.pointers().appliedIndex, this.model(log.spec.groupId).committed) + 1;
    if (first > log.lastIndex() + 1) return;
    const old = log.entries(first, first + 1, 1);
    const baseOffset = typeof old === "string" ? log.nextOffset() : (old[0]?.baseOffset ?? 0);
    const term = log.hardState.term + 1;
    const frames: Frame[] = [];
    let offset = baseOffset;
    for (let index = first; index < first + 4; index++) {
      frames.push(
        batchFrame({ groupId: log.spec.groupId, index, term, baseOffset: offset }, [
          `${this.value()}${"w".repeat(9_000)}`,
        ]),
      );
      offset++;
    }
    this.save(log, frames, { term, vote: 0, commit: first + 3 });
    this.model(log.spec.groupId).commit(log, first + 3);
    // More of the commit index arrives while the frames are still on their way.
    log.save({ hardState: { ...log.hardState, commit: first + 3 }, frames: [], reset: null }, () => undefined);
  }

  private commit(log: GroupLog, index: number): void {
    const model = this.model(log.spec.groupId);
    model.commit(log, index);
    // As Raft does it: the commit index is stored without waiting, then applied.
    log.save({ hardState: { ...log.hardState, commit: model.committed }, frames: [], reset: null }, () => undefined);
    log.commitTo(index);
  }

  private moveLogStart(log: GroupLog): void {
    const { plan } = implementationOf(log).core;
    const closed = plan.list().slice(0, -1);
    const segment = closed[this.prng.between(0, Math.max(0, closed.length - 1))];
    if (segment === undefined || log.lastIndex() > log.pointers().appliedIndex) return;
    const place = {
      groupId: log.spec.groupId,
      index: log.lastIndex() + 1,
      term: Math.max(1, log.hardState.term),
      baseOffset: log.nextOffset(),
    };
    const start = encodeLogStart({ index: segment.lastIndex, offset: segment.endOffset });
    this.save(log, [frameOf(place, FrameKind.logStart, start)]);
  }

  private configure(log: GroupLog): void {
    const place = {
      groupId: log.spec.groupId,
      index: log.lastIndex() + 1,
      term: Math.max(1, log.hardState.term),
      baseOffset: log.nextOffset(),
    };
    this.save(log, [frameOf(place, FrameKind.conf, new Uint8Array([1]))]);
  }

  /** The leader is far ahead: its snapshot replaces everything. */
  private reset(log: GroupLog): void {
    const term = log.hardState.term + 1;
    const index = log.lastIndex() + this.prng.between(1, 10);
    const snapshot = this.snapshotAt(log, index, term, log.nextOffset() + this.prng.between(0, 9));
    const model = this.model(log.spec.groupId);
    const write = { hardState: { term, vote: 0, commit: index }, frames: [], reset: snapshot };
    log.save(write, model.saved(write));
    model.commit(log, index);
  }

  private snapshotAt(log: GroupLog, index: number, term: number, offset: number): LogSnapshot {
    const image = { ...emptyImage(REPLICAS), index, term, offset, epochs: [{ term, index, offset }] };
    const segments = SegmentPlan.startingAt("data", { index, term, offset }).list();
    return decodeSnapshot(encodeCheckpoint({ owner: log.spec, image, segments, sections: [] }));
  }

  private log(groupId: number): GroupLog {
    const log = this.storage?.group(groupId) ?? null;
    assert(log !== null, "the log is there");
    return log;
  }

  private model(groupId: number): LogModel {
    const model = this.models.get(groupId);
    assert(model !== undefined, "the log has a model");
    return model;
  }

  /** Without latency everything that can happen does in microtasks; two turns let chains of promises end. */
  private async settled(): Promise<void> {
    await settle();
    await settle();
  }
}

function implementationOf(log: GroupLog): GroupLogImpl {
  assert(log instanceof GroupLogImpl, "this package's own log");
  return log;
}
