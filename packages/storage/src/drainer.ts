/**
 * drainer.ts: moves committed frames from memory into segments, in large writes, behind the acknowledgements.
 *
 * Invariants:
 *   D1  only committed, WAL-durable frames enter a segment
 *   D2  a drained mark enters the WAL only after the segment's fsync has returned
 *   D3  a new segment's checkpoint and name are durable before frames in it are marked
 */
import { assert, type Clock } from "@varve/base";
import type { GroupLogImpl } from "./log/group-log.js";
import type { Segment } from "./log/segment.js";
import { encodeDrained } from "./wal/format.js";
import type { Wal } from "./wal/wal.js";

export interface DrainerOptions {
  readonly clock: Clock;
  readonly wal: Wal;
  readonly checkpointIntervalBytes: number;
  readonly onFatal: (error: Error) => void;
  readonly drained: (log: GroupLogImpl, bytes: number) => void;
}

/** A log is drained when it has this many bytes, or when its oldest are this old. */
const DRAIN_BYTES = 4 * 1024 * 1024;
const DRAIN_MS = 1_000;
const LOOK_MS = 200;
/** Frames of one write. */
const WRITE_BYTES = 8 * 1024 * 1024;

export class Drainer {
  private readonly options: DrainerOptions;
  private readonly waiting = new Set<GroupLogImpl>();
  private running: Promise<void> | null = null;
  private timer: { cancel(): void } | null = null;
  private stopped = false;

  constructor(options: DrainerOptions) {
    this.options = options;
  }

  want(log: GroupLogImpl): void {
    this.waiting.add(log);
    if (log.undrainedBytes >= DRAIN_BYTES || log.segments.resetPlanned !== null) this.kick();
    else this.timer ??= this.options.clock.setTimer(LOOK_MS, () => this.look());
  }

  /** Drains everything now. */
  async flush(): Promise<void> {
    while (this.running !== null) await this.running;
    await this.round(() => true);
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.running !== null) await this.running;
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
  }

  private look(): void {
    this.timer = null;
    if (this.stopped) return;
    this.kick();
    if (this.waiting.size > 0) this.timer = this.options.clock.setTimer(LOOK_MS, () => this.look());
  }

  private kick(): void {
    if (this.running !== null || this.stopped) return;
    const nowMs = this.options.clock.monotonicMs();
    const isDue = (log: GroupLogImpl): boolean =>
      log.undrainedBytes >= DRAIN_BYTES ||
      log.segments.resetPlanned !== null ||
      nowMs - log.oldestUndrainedMs >= DRAIN_MS;
    if (![...this.waiting].some(isDue)) return;
    this.running = this.round(isDue)
      .catch((error: unknown) => {
        if (!this.stopped) this.options.onFatal(error instanceof Error ? error : new Error(String(error)));
      })
      .finally(() => {
        this.running = null;
      });
  }

  private async round(isDue: (log: GroupLogImpl) => boolean): Promise<void> {
    for (const log of [...this.waiting]) {
      if (this.stopped) return;
      if (!isDue(log)) continue;
      this.waiting.delete(log);
      if (!log.dropped && log.quarantine === null) await this.drain(log);
    }
    await this.options.wal.free();
  }

  /** Brings one log's segments to its applied index. */
  private async drain(log: GroupLogImpl): Promise<void> {
    const planned = log.segments.resetPlanned;
    if (planned !== null) {
      await log.resetDurable;
      await log.segments.applyReset(planned);
    }
    const target = log.state.index;
    const checkpoint = log.bytesSinceCheckpoint >= this.options.checkpointIntervalBytes ? log.encodeCheckpoint() : null;
    if (checkpoint !== null) log.bytesSinceCheckpoint = 0;
    const touched = new Set<Segment>();
    while (log.drained < target && !isReplaced(log)) await this.step(log, target, touched);
    for (const segment of touched) await segment.sync();
    if (isReplaced(log)) return;
    await Promise.race([this.mark(log), this.options.wal.failure]);
    if (isReplaced(log)) return;
    if (checkpoint !== null) await log.segments.writeCheckpoint(target, checkpoint);
    await log.segments.deleteBelow(log.state.logStart.index);
    await log.segments.pruneCheckpoints();
  }

  private async step(log: GroupLogImpl, target: number, touched: Set<Segment>): Promise<void> {
    const next = log.drained + 1;
    let segment = log.segments.active;
    const roll = log.rolls[0];
    if (segment === null) {
      segment = await log.segments.roll(
        { index: next, offset: log.frames[next - log.memFirst]?.baseOffset ?? 0, previousTerm: 0 },
        null,
      );
    } else if (roll !== undefined && roll.index === next) {
      // D3: what the sealed segment holds is synced before its successor begins.
      await segment.sync();
      touched.delete(segment);
      segment = await log.segments.roll(roll, roll.checkpoint);
      if (isReplaced(log)) return;
      log.rolls.shift();
    }
    if (isReplaced(log)) return;
    const end = Math.min(target, (log.rolls[0]?.index ?? Number.POSITIVE_INFINITY) - 1);
    const frames = [];
    let bytes = 0;
    for (let index = next; index <= end && bytes < WRITE_BYTES; index++) {
      const frame = log.frames[index - log.memFirst];
      if (frame === undefined) break;
      frames.push(frame);
      bytes += frame.header.length + frame.data.length;
    }
    assert(frames.length > 0, "D1: an applied frame that is not drained is in memory");
    await segment.append(frames);
    if (isReplaced(log)) return;
    touched.add(segment);
    log.drained = frames[frames.length - 1]?.index ?? log.drained;
    this.options.drained(log, bytes);
  }

  /** D2: called after the sync. Resolves when the mark is durable: until then the one before it may count, and its segment stays. */
  private mark(log: GroupLogImpl): Promise<void> {
    const segment = log.segments.active;
    if (segment === null || log.drained === 0) return Promise.resolve();
    const { groupId, replicaId } = log.spec;
    const term = log.term(log.drained);
    const parts = encodeDrained({
      groupId,
      replicaId,
      segment: segment.firstIndex,
      position: segment.bytes,
      index: log.drained,
      term: typeof term === "number" ? term : 0,
    });
    const mark = { segment: segment.firstIndex, position: segment.bytes, index: log.drained };
    return new Promise((resolve) => {
      this.options.wal.append({
        groupId,
        parts,
        bytes: parts.reduce((sum, part) => sum + part.length, 0),
        frameIndex: 0,
        onDurable: () => {
          // A mark from before a reset says nothing about the log after it.
          if (mark.index >= log.resetIndex) log.durableMark = mark;
          resolve();
        },
      });
    });
  }
}

/** Whether the log was dropped, or replaced by a snapshot, while its drainer waited for the disk: what it was draining is gone. */
function isReplaced(log: GroupLogImpl): boolean {
  return log.dropped || log.segments.resetPlanned !== null;
}
