/**
 * segment-store.ts: the segments and checkpoints of one log in its folder.
 *
 * Only the drainer changes it, one change at a time; reads may run beside it.
 * Invariants:
 *   T1  segments are dense: each begins at the index after the one before
 *   T2  beside each segment but the first lies the checkpoint of its start, until the segment is deleted
 */
import { type Codec, type Disk, type Offset, type RaftIndex, type Term, VarveError } from "@varve/base";
import type { Frame, GroupSpec, LogConfig, LogSnapshot } from "../api.js";
import { digits20 } from "../bytes.js";
import { readAll } from "../wal/recover.js";
import { decodeSnapshot } from "./log-state.js";
import { parseSegmentName, SEGMENT_HEADER_BYTES, Segment } from "./segment.js";

export class SegmentStore {
  readonly dir: string;
  private readonly disk: Disk;
  private readonly codec: Codec;
  private readonly spec: GroupSpec;
  private segments: Segment[] = [];
  private checkpoints: RaftIndex[] = [];
  private reset: LogSnapshot | null = null;
  private startTerm: Term = 0;
  private writing: Promise<void> = Promise.resolve();
  bytesWritten = 0;

  constructor(dir: string, disk: Disk, codec: Codec, spec: GroupSpec) {
    this.dir = dir;
    this.disk = disk;
    this.codec = codec;
    this.spec = spec;
  }

  get active(): Segment | null {
    return this.segments[this.segments.length - 1] ?? null;
  }

  get all(): readonly Segment[] {
    return this.segments;
  }

  firstIndex(): RaftIndex | null {
    if (this.reset !== null) return this.reset.index + 1;
    return this.segments[0]?.firstIndex ?? null;
  }

  /** Term of the entry before the first segment, when `index` is that segment's first. */
  termBefore(index: RaftIndex): Term | null {
    return index === this.firstIndex() ? this.startTerm : null;
  }

  bytes(): number {
    return this.segments.reduce((sum, segment) => sum + segment.bytes, 0);
  }

  /** Newest checkpoint that can be read; damaged ones are passed over, they are only short cuts. */
  async newestCheckpoint(): Promise<LogSnapshot | null> {
    for (const index of [...this.checkpoints].reverse()) {
      const snapshot = await this.checkpointAt(index);
      if (snapshot !== null) return snapshot;
    }
    return null;
  }

  async checkpointAt(index: RaftIndex): Promise<LogSnapshot | null> {
    if (!this.checkpoints.includes(index)) return null;
    try {
      return decodeSnapshot(await readAll(this.disk, `${this.dir}/${digits20(index)}.checkpoint`));
    } catch {
      return null;
    }
  }

  /** Reads the folder: names, headers, and of the last segment the frames up to `mark`. Why it cannot be used, or null. */
  async open(mark: { readonly segment: RaftIndex; readonly position: number } | null): Promise<string | null> {
    const names = await this.disk.list(this.dir);
    this.checkpoints = names
      .filter((name) => /^\d{20}\.checkpoint$/.test(name))
      .map((name) => Number(name.slice(0, 20)));
    for (const name of names) if (name.endsWith(".tmp")) await this.disk.remove(`${this.dir}/${name}`);
    const found = names.flatMap((name) => {
      const parsed = parseSegmentName(name);
      return parsed === null ? [] : [{ ...parsed, name }];
    });
    found.sort((left, right) => left.firstIndex - right.firstIndex);
    for (const extra of found.filter(({ firstIndex }) => mark === null || firstIndex > mark.segment)) {
      await this.disk.remove(`${this.dir}/${extra.name}`);
    }
    const kept = found.filter(({ firstIndex }) => mark !== null && firstIndex <= mark.segment);
    if (mark !== null && !kept.some(({ firstIndex }) => firstIndex === mark.segment)) {
      return `${this.dir}: the segment that begins at index ${mark.segment} is missing`;
    }
    for (const [at, { name }] of kept.entries()) {
      const next = kept[at + 1];
      const sealed = next === undefined ? null : { lastIndex: next.firstIndex - 1, endOffset: next.baseOffset };
      const segment = await Segment.open(this.disk, `${this.dir}/${name}`, this.spec, sealed);
      if (typeof segment === "string") return segment;
      this.segments.push(segment);
      if (sealed === null && mark !== null) {
        const problem = await segment.recover(mark.position);
        if (problem !== null) return problem;
      }
    }
    const first = this.segments[0];
    if (first !== undefined && first.firstIndex > 1)
      this.startTerm = (await this.checkpointAt(first.firstIndex - 1))?.term ?? 0;
    return null;
  }

  /** From now on the log begins after the snapshot; the files follow with `applyReset`. */
  planReset(snapshot: LogSnapshot): void {
    this.reset = snapshot;
  }

  get resetPlanned(): LogSnapshot | null {
    return this.reset;
  }

  /** Puts the snapshot's checkpoint in the place of all segments. */
  async applyReset(snapshot: LogSnapshot): Promise<void> {
    await this.writeCheckpoint(snapshot.index, snapshot.encoded);
    const old = this.segments;
    const oldCheckpoints = this.checkpoints.filter((index) => index !== snapshot.index);
    this.startTerm = snapshot.term;
    this.segments = [
      await Segment.create(this.disk, this.dir, this.spec, {
        index: snapshot.index + 1,
        offset: snapshot.offset,
        previousTerm: snapshot.term,
      }),
    ];
    await this.segments[0]?.sync();
    if (this.reset === snapshot) this.reset = null;
    this.checkpoints = [snapshot.index];
    for (const segment of old) {
      await segment.close();
      if (segment.path !== this.segments[0]?.path) await this.disk.remove(segment.path);
    }
    for (const index of oldCheckpoints) await this.disk.remove(`${this.dir}/${digits20(index)}.checkpoint`);
    await this.disk.syncDir(this.dir);
  }

  /** Begins a segment; `checkpoint`: the state right before it, null for the very first. */
  async roll(
    at: { readonly index: RaftIndex; readonly offset: Offset; readonly previousTerm: Term },
    checkpoint: Uint8Array | null,
  ): Promise<Segment> {
    if (checkpoint !== null) await this.writeCheckpoint(at.index - 1, checkpoint);
    const segment = await Segment.create(this.disk, this.dir, this.spec, at);
    await segment.sync();
    await this.disk.syncDir(this.dir);
    this.segments.push(segment);
    return segment;
  }

  /** Makes a checkpoint durable; one after another, since two of one index go by the same temporary name. */
  writeCheckpoint(index: RaftIndex, encoded: Uint8Array): Promise<void> {
    const written = this.writing.then(() => this.writeCheckpointNow(index, encoded));
    this.writing = written.catch(() => {});
    return written;
  }

  private async writeCheckpointNow(index: RaftIndex, encoded: Uint8Array): Promise<void> {
    const path = `${this.dir}/${digits20(index)}.checkpoint`;
    const file = await this.disk.open(`${path}.tmp`, "create");
    await file.truncate(0);
    await file.write([encoded], 0);
    await file.sync();
    await file.close();
    await this.disk.rename(`${path}.tmp`, path);
    await this.disk.syncDir(this.dir);
    if (!this.checkpoints.includes(index))
      this.checkpoints = [...this.checkpoints, index].sort((left, right) => left - right);
  }

  /** Deletes checkpoints that neither begin a segment nor are the newest. */
  async pruneCheckpoints(): Promise<void> {
    const newest = this.checkpoints[this.checkpoints.length - 1];
    const starts = new Set(this.segments.map((segment) => segment.firstIndex - 1));
    const extra = this.checkpoints.filter((index) => index !== newest && !starts.has(index));
    if (extra.length === 0) return;
    this.checkpoints = this.checkpoints.filter((index) => !extra.includes(index));
    for (const index of extra) await this.disk.remove(`${this.dir}/${digits20(index)}.checkpoint`);
    await this.disk.syncDir(this.dir);
  }

  /** Deletes segments that lie wholly below the log start and the newest checkpoint (G3). */
  async deleteBelow(logStartIndex: RaftIndex): Promise<void> {
    const newest = this.checkpoints[this.checkpoints.length - 1] ?? 0;
    let deleted = false;
    for (;;) {
      const first = this.segments[0];
      const second = this.segments[1];
      if (first === undefined || second === undefined || second.firstIndex > logStartIndex || first.lastIndex > newest)
        break;
      const checkpoint = await this.checkpointAt(second.firstIndex - 1);
      if (checkpoint === null) break;
      this.startTerm = checkpoint.term;
      this.segments.shift();
      await first.close();
      await this.disk.remove(first.path);
      deleted = true;
    }
    if (deleted) await this.disk.syncDir(this.dir);
  }

  retentionTarget(config: LogConfig, nowMs: number): { readonly index: RaftIndex; readonly offset: Offset } | null {
    let bytes = this.bytes();
    let target: { index: RaftIndex; offset: Offset } | null = null;
    for (const [at, segment] of this.segments.entries()) {
      const next = this.segments[at + 1];
      if (next === undefined) break;
      const isOld = config.retentionMs >= 0 && nowMs - segment.lastTimeMs > config.retentionMs;
      const isTooMuch = config.retentionBytes >= 0 && bytes > config.retentionBytes;
      if (!isOld && !isTooMuch) break;
      bytes -= segment.bytes;
      target = { index: next.firstIndex, offset: next.baseOffset };
    }
    return target;
  }

  /** Frames from an offset or index on. @throws VarveError REPLICA_QUARANTINED: damage; OFFSET_OUT_OF_RANGE: deleted meanwhile. */
  async read(key: { readonly offset: Offset } | { readonly index: RaftIndex }, bytesMax: number): Promise<Frame[]> {
    const segment = this.segments.find((candidate) =>
      "offset" in key ? candidate.endOffset > key.offset : candidate.lastIndex >= key.index,
    );
    if (segment === undefined || ("offset" in key ? segment.baseOffset > key.offset : segment.firstIndex > key.index)) {
      throw new VarveError("OFFSET_OUT_OF_RANGE", {
        message: "what was asked for is not in the segments any more; read from the log start",
        details: { logStart: this.segments[0]?.baseOffset ?? 0 },
      });
    }
    return segment.readFrom(key, bytesMax, this.codec);
  }

  async offsetForTime(timeMs: number): Promise<Offset | null> {
    for (const segment of this.segments) {
      if (segment.bytes <= SEGMENT_HEADER_BYTES || (segment !== this.active && segment.lastTimeMs < timeMs)) continue;
      const found = await segment.offsetForTime(timeMs);
      if (found !== null) return found;
    }
    return null;
  }

  async close(): Promise<void> {
    for (const segment of this.segments) await segment.close();
  }
}
