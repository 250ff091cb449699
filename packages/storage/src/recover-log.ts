/**
 * recover-log.ts: opens one log from its folder and from what the WAL says about it.
 *
 * Reads the newest checkpoint, the end of the last segment (from the checkpoint to the mark) and nothing else of the folder. When the
 * newest checkpoint is lost or damaged, an older one takes its place if it and the frames after it make the same log.
 * Above its mark a segment is cut, since those frames are in the WAL and are drained again; below its mark everything must
 * be there and intact, else the replica is quarantined. Invariants:
 *   V1  every frame up to the mark comes from the checkpoint or the last segment, every frame above it from the WAL
 *   V2  after a restart the term is the larger of the hard state's and the last frame's; the vote counts only for that term
 *   V4  no segment is removed from the folder before a checkpoint was found that fits what the WAL says, and everything that is read here is intact
 *   V3  a configuration change above the checkpoint is not applied here: the caller applies it when Raft hands it out again
 */
import { assert, type Disk, type RaftIndex, type VarveError } from "@varve/base";
import { type Frame, FrameKind, type GroupSpec, type HardState, type LogConfig } from "./api.js";
import { corrupt, digits20 } from "./bytes.js";
import { frameBytes } from "./frame/frame.js";
import { type Checksum, payloadProblem } from "./frame/payload.js";
import {
  type Checkpoint,
  damageText,
  decodeCheckpoint,
  isDamage,
  isMissingFile,
  isUnreadable,
} from "./log/checkpoint.js";
import { FrameMemory } from "./log/frame-memory.js";
import { GroupLogImpl } from "./log/group-log.js";
import { type LogContext, LogCore } from "./log/log-core.js";
import { type LogFiles, parseLogFileName, QUARANTINE_FILE } from "./log/log-files.js";
import { emptyImage, LogState } from "./log/log-state.js";
import { SEGMENT_HEADER_BYTES, type SegmentInfo, SegmentPlan } from "./log/segment-plan.js";
import { segmentHeaderProblem } from "./segment/segment-format.js";
import { parseRun } from "./segment/segment-reader.js";
import type { Mark } from "./wal/records.js";
import type { GroupReplay } from "./wal/replay.js";

export interface RecoverLogOptions {
  readonly context: LogContext;
  readonly disk: Disk;
  readonly checksum: Checksum;
  readonly spec: GroupSpec;
  readonly config: LogConfig;
  readonly files: LogFiles;
  /** What the WAL holds for this group; null: nothing. */
  readonly replay: GroupReplay | null;
  /** Damage that was found before the log's own files were read: in the WAL, in replica.json; null: none. */
  readonly knownDamage: string | null;
}

const READ_BYTES = 1024 * 1024;

/** Opens the log. Never rejects because of damage: the log it then returns is quarantined and says why. */
export async function recoverLog(options: RecoverLogOptions): Promise<GroupLogImpl> {
  const { files, disk } = options;
  const names = await disk.list(files.dir);
  if (names.includes(QUARANTINE_FILE)) return quarantinedLog(options, await files.readQuarantine());
  if (options.knownDamage !== null) return sealedOff(options, options.knownDamage);
  try {
    return await openIntact(options, names);
  } catch (error) {
    if (isDamage(error)) return sealedOff(options, damageText(error));
    if (isMissingFile(error)) return sealedOff(options, `a file is missing: ${error.message}`);
    if (isUnreadable(error)) return sealedOff(options, `a file cannot be read: ${error.message}`);
    throw error;
  }
}

async function sealedOff(options: RecoverLogOptions, reason: string): Promise<GroupLogImpl> {
  const frames = options.replay?.frames().map(({ value }) => value) ?? [];
  await options.files.writeQuarantine(reason, { hardState: options.replay?.hardState?.value ?? null }, frames);
  return quarantinedLog(options, reason);
}

/** A log that only says what it is and why it does not serve. */
function quarantinedLog(options: RecoverLogOptions, reason: string): GroupLogImpl {
  const { context, spec, config, files } = options;
  const core = new LogCore(context, {
    spec,
    config,
    files,
    state: new LogState(emptyImage(spec.initial), context.producerExpiryMs),
    plan: SegmentPlan.startingAt(spec.kind, { index: 0, term: 0, offset: 0 }),
    memory: new FrameMemory(1, context.references),
    hardState: options.replay?.hardState?.value ?? { term: 0, vote: 0, commit: 0 },
    mark: null,
    drainedIndex: 0,
    durableIndex: 0,
  });
  core.setQuarantine(reason);
  return new GroupLogImpl(core, { sections: [], frames: [], checkpointIndex: 0 });
}

async function openIntact(options: RecoverLogOptions, names: readonly string[]): Promise<GroupLogImpl> {
  const { files } = options;
  const mark = options.replay?.mark?.value ?? null;
  if (mark?.kind === "reset") await files.finishReset(mark.index);
  else for (const name of names) if (parseLogFileName(name).kind === "reset") await files.remove(name);
  for (const name of names) if (parseLogFileName(name).kind === "temporary") await files.remove(name);
  return openFromNewest(options, mark);
}

/** Opens from the newest checkpoint that can be read. @throws what is wrong with the newest one, when none will do. */
async function openFromNewest(options: RecoverLogOptions, mark: Mark | null): Promise<GroupLogImpl> {
  const { disk, files, context } = options;
  const indexes = (await disk.list(files.dir)).flatMap((name) => {
    const parsed = parseLogFileName(name);
    return parsed.kind === "checkpoint" ? [parsed.number] : [];
  });
  const newest = indexes[indexes.length - 1];
  if (newest === undefined) throw corrupt(`${files.dir} has no checkpoint`);
  let problem: VarveError | null = null;
  for (const index of indexes.reverse()) {
    const checkpoint = await readOwn(options, index).catch((error: unknown) => {
      if (!isDamage(error)) throw error;
      problem ??= error;
      return null;
    });
    if (checkpoint === null) continue;
    if (problem === null) return openFrom(options, checkpoint, mark, newest);
    // What does not fit an older checkpoint is said of the newest: it is what is damaged.
    const log = await openFrom(options, checkpoint, mark, newest).catch((error: unknown) => {
      throw isDamage(error) ? problem : error;
    });
    const { message } = problem;
    context.logger.warn({ message, index }, "an older checkpoint takes the place of one that is damaged");
    return log;
  }
  throw problem;
}

/** `newestCheckpoint`: what is durable reaches at least up to that one, also when it cannot be read. */
async function openFrom(
  options: RecoverLogOptions,
  checkpoint: Checkpoint,
  mark: Mark | null,
  newestCheckpoint: RaftIndex,
): Promise<GroupLogImpl> {
  const { files, spec, context } = options;
  const { image } = checkpoint;
  const drainedIndex = Math.max(mark?.index ?? 0, checkpoint.segments[0]?.previousIndex ?? 0);
  const { kept, leftOver } = await presentSegments(options, checkpoint, mark, drainedIndex);
  const plan = new SegmentPlan(spec.kind, kept);
  const state = new LogState(image, context.producerExpiryMs);
  state.raiseLogStart({ index: plan.first.previousIndex, offset: plan.first.baseOffset });
  const replayed = await replaySegment(options, plan, state, mark);
  const memory = new FrameMemory(drainedIndex + 1, context.references);
  fillMemory(options, memory, drainedIndex, newestCheckpoint);
  const hardState = currentHardState(options.replay?.hardState?.value ?? null, memory.last() ?? null, state.term);
  const commit = Math.min(Math.max(hardState.commit, state.index), memory.lastIndex);
  const core = new LogCore(context, {
    spec,
    config: options.config,
    files,
    state,
    plan,
    memory,
    hardState: { ...hardState, commit: Math.max(hardState.commit, state.index) },
    mark,
    drainedIndex,
    durableIndex: memory.lastIndex,
  });
  const applied = applyCommitted(core, commit, image.index);
  const isStateLog = spec.kind === "state";
  const log = new GroupLogImpl(core, {
    sections: checkpoint.sections,
    frames: isStateLog ? [...replayed, ...applied] : [],
    checkpointIndex: image.index,
  });
  for (const name of leftOver) await files.removeSegment(name);
  log.writer.adopt(options.replay?.hardState?.file ?? 0, options.replay?.mark?.file ?? 0);
  return log;
}

async function readOwn({ files, spec }: RecoverLogOptions, index: RaftIndex): Promise<Checkpoint> {
  const path = `${files.dir}/${digits20(index)}.checkpoint`;
  const checkpoint = await readIntact(files, index, path);
  const { groupId, topicId, partition } = checkpoint.owner;
  const isOwn = groupId === spec.groupId && topicId === spec.topicId && partition === spec.partition;
  if (!isOwn) throw corrupt(`${path} belongs to another log`);
  if (checkpoint.image.index !== index) throw corrupt(`${path} is of another index`);
  return checkpoint;
}

async function readIntact(files: LogFiles, index: RaftIndex, path: string): Promise<Checkpoint> {
  try {
    return decodeCheckpoint(await files.readCheckpoint(index));
  } catch (error) {
    if (isDamage(error)) throw corrupt(`${path}: ${damageText(error)}`);
    throw error;
  }
}

/** The checkpoint's segments without those that were deleted, and the names of files that an unfinished drain or deletion left. */
async function presentSegments(
  { disk, files, spec }: RecoverLogOptions,
  { image, segments }: Checkpoint,
  mark: Mark | null,
  drainedIndex: RaftIndex,
): Promise<{ readonly kept: SegmentInfo[]; readonly leftOver: readonly number[] }> {
  // A mark at or below the first segment names one that retention has deleted since.
  const isListed = mark?.kind !== "drained" || segments.some(({ name }) => name === mark.segment);
  if (!isListed && mark.index > (segments[0]?.previousIndex ?? 0)) {
    throw corrupt(`no checkpoint of ${files.dir} knows segment ${mark.segment}, which the WAL says is in use`);
  }
  const present = new Set<number>();
  for (const name of await disk.list(files.dir)) {
    const parsed = parseLogFileName(name);
    if (parsed.kind === "segment") present.add(parsed.number);
  }
  const deletable = Math.min(spec.kind === "data" ? image.logStart.index : image.index, drainedIndex);
  const isExpected = (segment: SegmentInfo): boolean => segment.previousIndex < drainedIndex;
  const kept = [...segments];
  while (kept.length > 1 && kept[0] !== undefined && kept[0].lastIndex <= deletable && !present.has(kept[0].name))
    kept.shift();
  for (const segment of kept) {
    if (!isExpected(segment)) continue;
    const path = files.segmentPath(segment.name);
    if (!present.has(segment.name)) throw corrupt(`${path} is missing`);
    if (segment.lastIndex <= drainedIndex) await requireSize(disk, path, segment.bytes);
  }
  const expected = new Set(kept.filter(isExpected).map(({ name }) => name));
  return { kept, leftOver: [...present].filter((name) => !expected.has(name)) };
}

/** A sealed segment is not read here, but one that was cut is found without that. */
async function requireSize(disk: Disk, path: string, bytes: number): Promise<void> {
  const file = await disk.open(path, "read");
  try {
    const size = await file.size();
    if (size < bytes) throw corrupt(`${path} has ${size} bytes instead of ${bytes}`);
  } finally {
    await file.close();
  }
}

/** Checks the segment that the mark names and applies what it holds above the checkpoint (V1). Returns those frames. */
async function replaySegment(
  options: RecoverLogOptions,
  plan: SegmentPlan,
  state: LogState,
  mark: Mark | null,
): Promise<Frame[]> {
  if (mark?.kind !== "drained") return [];
  const { disk, files, spec } = options;
  const segment = plan.list().find(({ name }) => name === mark.segment);
  // Retention may have deleted it after it was drained to its end; then the next frame begins a segment.
  if (segment === undefined) return [];
  const path = files.segmentPath(segment.name);
  const file = await disk.open(path, "readwrite");
  try {
    const header = new Uint8Array(SEGMENT_HEADER_BYTES);
    const problem = segmentHeaderProblem(header.subarray(0, await file.read(header, 0)), spec, segment);
    if (problem !== null) throw corrupt(`${path}: ${problem}`);
    const size = await file.size();
    if (size < mark.position) throw corrupt(`${path} has ${size} bytes instead of ${mark.position}`);
    if (size > mark.position) await file.truncate(mark.position);
    if (mark.index <= state.index) return [];
    if (segment !== plan.active)
      throw corrupt(`${path} is not the last segment of the newest checkpoint, but was written after it`);
    return await replayFrames(options, { file, path, start: segment.bytes, end: mark.position }, plan, state, mark);
  } finally {
    await file.close();
  }
}

async function replayFrames(
  { checksum, spec }: RecoverLogOptions,
  run: {
    readonly file: Awaited<ReturnType<Disk["open"]>>;
    readonly path: string;
    readonly start: number;
    readonly end: number;
  },
  plan: SegmentPlan,
  state: LogState,
  mark: Mark,
): Promise<Frame[]> {
  const frames: Frame[] = [];
  let readBytes = READ_BYTES;
  for (let position = run.start; position < run.end; ) {
    const bytes = new Uint8Array(Math.min(readBytes, run.end - position));
    const read = await run.file.read(bytes, position);
    const parsed = parseRun(bytes.subarray(0, read), spec.groupId, state.index + 1, { path: run.path, position });
    if (parsed.end === 0) {
      if (read === run.end - position) throw corrupt(`${run.path}: the last frame below the mark is cut`);
      readBytes *= 2; // A frame is longer than what was read.
      continue;
    }
    for (const frame of parsed.frames) {
      const problem = payloadProblem(frame, checksum);
      if (problem !== null) throw corrupt(`${run.path}: ${problem}, index ${frame.index}`);
      // B3: the newest checkpoint knows it. Applied without what it means, the log would go on with an old configuration.
      if (frame.kind === FrameKind.conf)
        throw corrupt(
          `${run.path}: the checkpoint that knows the configuration change at index ${frame.index} is lost`,
        );
      if (frame.baseOffset !== state.offset || frame.term < state.term)
        throw corrupt(`${run.path}: index ${frame.index} does not follow`);
      state.apply(frame);
      plan.apply(frame);
      frames.push(frame);
    }
    position += parsed.end;
    readBytes = READ_BYTES;
  }
  if (state.index !== mark.index || state.term !== mark.term)
    throw corrupt(`${run.path} ends at index ${state.index} instead of ${mark.index}`);
  return frames;
}

/** Takes the WAL's frames above the mark into memory. */
function fillMemory(
  { replay, files }: RecoverLogOptions,
  memory: FrameMemory,
  drainedIndex: RaftIndex,
  checkpointIndex: RaftIndex,
): void {
  const found = (replay?.frames() ?? []).filter(({ value }) => value.index > drainedIndex);
  // All is looked at before any of it is placed: a frame that is placed holds its WAL file.
  for (const [at, { value }] of found.entries()) {
    const expected = drainedIndex + 1 + at;
    if (value.index !== expected) throw corrupt(`the WAL lacks index ${expected} of ${files.dir}`);
  }
  const lastIndex = drainedIndex + found.length;
  if (lastIndex < checkpointIndex) {
    throw corrupt(
      `the WAL and the segments of ${files.dir} end at index ${lastIndex}, below the checkpoint at ${checkpointIndex}`,
    );
  }
  for (const { value: frame, file } of found) {
    memory.push(frame);
    memory.place(frame, file);
  }
}

/** V2 */
function currentHardState(stored: HardState | null, last: Frame | null, appliedTerm: number): HardState {
  const hardState = stored ?? { term: 0, vote: 0, commit: 0 };
  const term = Math.max(hardState.term, last?.term ?? 0, appliedTerm);
  return { term, vote: hardState.term === term ? hardState.vote : 0, commit: hardState.commit };
}

/** Applies what is known to be committed, up to the first configuration change (V3); returns what is above the checkpoint. */
function applyCommitted(core: LogCore, commit: RaftIndex, checkpointIndex: RaftIndex): Frame[] {
  const applied: Frame[] = [];
  for (let index = core.drainedIndex + 1; index <= core.memory.lastIndex; index++) {
    const frame = core.memory.get(index);
    assert(frame !== undefined, "the WAL's frames are in memory");
    const isApplied = index <= core.state.index;
    if (!isApplied) {
      if (index > commit || frame.kind === FrameKind.conf) break;
      core.state.apply(frame);
      core.plan.apply(frame);
    }
    core.addUndrained(frameBytes(frame));
    if (index > checkpointIndex) applied.push(frame);
  }
  for (let index = core.state.index + 1; index <= core.memory.lastIndex; index++) {
    const frame = core.memory.get(index);
    if (frame !== undefined) core.uncommittedBytes += frameBytes(frame);
  }
  return applied;
}
