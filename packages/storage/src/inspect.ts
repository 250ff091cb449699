/**
 * inspect.ts: what lies in a data directory, read without locking or changing anything; also while a broker runs on it.
 *
 * On a running broker's folder the newest bytes may be half-written, and files may come and go: what lies above a mark or after the
 * last intact flush is reported as it is found and never called damaged.
 */
import type { Disk } from "@varve/base";
import { FrameKind, type GroupSpec } from "./api.js";
import { checkFrameHeader, FRAME_HEADER_BYTES, frameAt } from "./frame/frame.js";
import { type Checksum, payloadProblem } from "./frame/payload.js";
import { decodeCheckpoint } from "./log/checkpoint.js";
import { parseLogFileName, QUARANTINE_FILE, readFile, readQuarantine } from "./log/log-files.js";
import { SEGMENT_HEADER_BYTES } from "./log/segment-plan.js";
import { readReplicaFile, topicsDir } from "./replica-file.js";
import { decodeSegmentHeader } from "./segment/segment-format.js";
import { judgeFlushes, scanWal } from "./wal/recover.js";
import { GroupReplay } from "./wal/replay.js";
import type { ScannedFile } from "./wal/scan.js";

export interface WalFileReport {
  readonly file: string;
  readonly bytes: number;
  readonly flushes: number;
  /** Sequences of its first and last flush; 0: it holds none. */
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly frames: number;
}

export interface SegmentReport {
  readonly file: string;
  readonly bytes: number;
  readonly baseOffset: number;
  readonly nextOffset: number;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly frames: number;
  readonly batches: number;
  readonly records: number;
  /** Where and why reading ended before the end of what must be there; null: all of it is good. */
  readonly problem: string | null;
}

export interface CheckpointReport {
  readonly file: string;
  readonly bytes: number;
  readonly index: number;
  readonly offset: number;
  readonly problem: string | null;
}

export interface LogReport {
  readonly directory: string;
  readonly spec: GroupSpec;
  readonly term: number;
  readonly vote: number;
  readonly commit: number;
  /** Everything up to this index is synced in segments or a checkpoint, as the WAL says; 0: nothing is said. */
  readonly drainedIndex: number;
  /** Frames that only the WAL has. */
  readonly walFrames: number;
  /** Why the replica serves no more, as an earlier start wrote it down; null: it serves. */
  readonly quarantine: string | null;
  readonly segments: readonly SegmentReport[];
  readonly checkpoints: readonly CheckpointReport[];
}

export interface DataDirReport {
  readonly dataDir: string;
  /** node.json without the WAL's id; null when there is none. */
  readonly node: Readonly<Record<string, unknown>> | null;
  readonly wal: readonly WalFileReport[];
  readonly logs: readonly LogReport[];
  /** Everything that is damaged or missing, one line each; empty when all is well. */
  readonly problems: readonly string[];
}

/** Reads a whole data directory, frame by frame. Memory: one file at a time. */
export async function inspectDataDir(dataDir: string, disk: Disk, checksum: Checksum): Promise<DataDirReport> {
  const problems: string[] = [];
  const { node, walId } = await readNode(dataDir, disk, problems);
  const replays = new Map<number, GroupReplay>();
  const wal = walId === null ? [] : await inspectWal(`${dataDir}/wal`, disk, walId, checksum, replays, problems);
  const logs: LogReport[] = [];
  for (const topic of await disk.list(topicsDir(dataDir))) {
    for (const name of await disk.list(`${topicsDir(dataDir)}/${topic}`)) {
      const directory = `${topicsDir(dataDir)}/${topic}/${name}`;
      const log = await inspectLog(directory, disk, checksum, replays, problems).catch((error: unknown) => {
        problems.push(`${directory}: ${textOf(error)}`);
        return null;
      });
      if (log !== null) logs.push(log);
    }
  }
  return { dataDir, node, wal, logs, problems };
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function readNode(
  dataDir: string,
  disk: Disk,
  problems: string[],
): Promise<{ readonly node: DataDirReport["node"]; readonly walId: Uint8Array | null }> {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder().decode(await readFile(disk, `${dataDir}/node.json`)));
    const { walId, checksum: _checksum, ...node } = parsed as Record<string, unknown>;
    const hex = typeof walId === "string" && /^[0-9a-f]{32}$/.test(walId) ? walId : null;
    if (hex === null) problems.push(`${dataDir}/node.json names no WAL`);
    return {
      node,
      walId: hex === null ? null : Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16)),
    };
  } catch (error) {
    problems.push(`${dataDir}/node.json: ${textOf(error)}`);
    return { node: null, walId: null };
  }
}

async function inspectWal(
  dir: string,
  disk: Disk,
  walId: Uint8Array,
  checksum: Checksum,
  replays: Map<number, GroupReplay>,
  problems: string[],
): Promise<WalFileReport[]> {
  const files = await scanWal(disk, dir, walId, checksum);
  const framesOf = new Map<string, number>();
  for await (const judged of judgeFlushes(disk, files, checksum)) {
    if (judged.kind === "missing")
      problems.push(`WAL flushes are missing ${judged.where}: every replica may be concerned`);
    else if (judged.kind === "damaged") {
      const { path, position, header } = judged.flush;
      problems.push(`${path} at byte ${position}: ${judged.problem}; groups concerned: ${header.groups.join(", ")}`);
    } else if (judged.kind === "intact") {
      const { path, header } = judged.flush;
      for (const record of judged.records) {
        const replay = replays.get(record.groupId) ?? new GroupReplay(record.groupId);
        replays.set(record.groupId, replay);
        replay.add(record, header.fileNumber);
        if (record.kind === "frame") framesOf.set(path, (framesOf.get(path) ?? 0) + 1);
      }
    }
  }
  return files.map((file) => walFileReport(file, framesOf.get(file.path) ?? 0));
}

function walFileReport({ path, bytes, flushes }: ScannedFile, frames: number): WalFileReport {
  const first = flushes[0]?.header.sequence ?? 0;
  const last = flushes[flushes.length - 1]?.header.sequence ?? 0;
  return { file: path, bytes, flushes: flushes.length, firstSequence: first, lastSequence: last, frames };
}

async function inspectLog(
  directory: string,
  disk: Disk,
  checksum: Checksum,
  replays: ReadonlyMap<number, GroupReplay>,
  problems: string[],
): Promise<LogReport | null> {
  const replica = await readReplicaFile(disk, directory);
  if (replica === null) return null;
  const { spec } = replica;
  const replay = replays.get(spec.groupId) ?? new GroupReplay(spec.groupId);
  const mark = replay.mark?.value ?? null;
  const segments: SegmentReport[] = [];
  const checkpoints: CheckpointReport[] = [];
  for (const name of await disk.list(directory)) {
    const parsed = parseLogFileName(name);
    const path = `${directory}/${name}`;
    if (parsed.kind === "checkpoint") checkpoints.push(await inspectCheckpoint(path, disk));
    // Above its mark the segment in use may hold anything, and a segment that no mark names yet does not count.
    const isMarked = mark?.kind === "drained" && parsed.number === mark.segment;
    const isBegun = mark?.kind !== "drained" || (parsed.number !== null && parsed.number > mark.segment);
    if (parsed.kind === "segment" && (isMarked || !isBegun)) {
      segments.push(await inspectSegment(path, disk, checksum, isMarked ? mark.position : null));
    }
  }
  for (const { file, problem } of [...segments, ...checkpoints])
    if (problem !== null) problems.push(`${file}: ${problem}`);
  const quarantine = await quarantineOf(directory, disk);
  if (quarantine !== null) problems.push(`${directory} is quarantined: ${quarantine}`);
  const { term, vote, commit } = replay.hardState?.value ?? { term: 0, vote: 0, commit: 0 };
  return {
    directory,
    spec,
    term,
    vote,
    commit,
    drainedIndex: mark?.index ?? 0,
    walFrames: replay.frames().length,
    quarantine,
    segments,
    checkpoints,
  };
}

async function quarantineOf(directory: string, disk: Disk): Promise<string | null> {
  const isQuarantined = (await disk.list(directory)).includes(QUARANTINE_FILE);
  return isQuarantined ? readQuarantine(disk, directory) : null;
}

async function inspectCheckpoint(path: string, disk: Disk): Promise<CheckpointReport> {
  const encoded = await readFile(disk, path);
  try {
    const { image } = decodeCheckpoint(encoded);
    return { file: path, bytes: encoded.length, index: image.index, offset: image.offset, problem: null };
  } catch (error) {
    return { file: path, bytes: encoded.length, index: 0, offset: 0, problem: textOf(error) };
  }
}

/** @param end byte up to which the segment must be good; null: all of it. */
async function inspectSegment(
  path: string,
  disk: Disk,
  checksum: Checksum,
  end: number | null,
): Promise<SegmentReport> {
  const whole = await readFile(disk, path);
  const bytes = end === null ? whole : whole.subarray(0, end);
  const header = decodeSegmentHeader(bytes);
  const counts = { frames: 0, batches: 0, records: 0 };
  if (typeof header === "string") {
    return {
      file: path,
      bytes: whole.length,
      baseOffset: 0,
      nextOffset: 0,
      firstIndex: 0,
      lastIndex: 0,
      ...counts,
      problem: header,
    };
  }
  let nextOffset = header.baseOffset;
  let lastIndex = header.previousIndex;
  let problem = end !== null && whole.length < end ? `the file has ${whole.length} bytes instead of ${end}` : null;
  for (let at = SEGMENT_HEADER_BYTES; at < bytes.length && problem === null; ) {
    const reading = checkFrameHeader(bytes, at);
    const isWhole = reading.kind === "frame" && at + FRAME_HEADER_BYTES + reading.payloadBytes <= bytes.length;
    if (!isWhole) {
      problem = `byte ${at}: ${reading.kind === "damaged" ? reading.problem : "the file ends inside a frame"}`;
      break;
    }
    const frame = frameAt(bytes, at);
    const isNext = frame.index === lastIndex + 1 && frame.baseOffset === nextOffset;
    const wrong = isNext ? payloadProblem(frame, checksum) : `index ${frame.index} does not follow index ${lastIndex}`;
    if (wrong !== null) {
      problem = `byte ${at}: ${wrong}`;
      break;
    }
    counts.frames++;
    counts.batches += frame.kind === FrameKind.batch ? 1 : 0;
    counts.records += frame.recordCount;
    lastIndex = frame.index;
    nextOffset += frame.offsetSpan;
    at += FRAME_HEADER_BYTES + reading.payloadBytes;
  }
  const firstIndex = header.previousIndex + 1;
  return {
    file: path,
    bytes: whole.length,
    baseOffset: header.baseOffset,
    nextOffset,
    firstIndex,
    lastIndex,
    ...counts,
    problem,
  };
}
