/**
 * inspect.ts: what lies in a data directory, read without locking or changing anything; also while a broker runs on it.
 *
 * On a running broker's folder the newest bytes may be half-written: the end of the WAL and of each log's last segment is reported as it
 * is found, and only what lies before it can be called damaged.
 */
import type { Codec, Disk } from "@varve/base";
import { FrameKind, type GroupSpec } from "./api.js";
import { frameBytes, payloadProblem, readFrame } from "./frame.js";
import { decodeSnapshot } from "./log/log-state.js";
import { parseSegmentName, SEGMENT_HEADER_BYTES } from "./log/segment.js";
import { align, FLUSH_ALIGN, FLUSH_HEADER_BYTES } from "./wal/format.js";
import { groupKey, readAll, recordsOf, recoverWal, scanFlush } from "./wal/recover.js";

export interface WalFileReport {
  readonly file: string;
  readonly bytes: number;
  readonly flushes: number;
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
  /** Where and why reading ended before the end of the file; null = all of it is good. */
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
  /** Everything up to this index is synced in segments, as the WAL says; 0 = nothing is said. */
  readonly drainedIndex: number;
  /** Frames that only the WAL has. */
  readonly walFrames: number;
  readonly segments: readonly SegmentReport[];
  readonly checkpoints: readonly CheckpointReport[];
}

export interface DataDirReport {
  readonly dataDir: string;
  /** node.json as it is; null when there is none. */
  readonly node: Readonly<Record<string, unknown>> | null;
  readonly wal: readonly WalFileReport[];
  readonly logs: readonly LogReport[];
  /** Everything that is damaged or missing, one line each; empty when all is well. */
  readonly problems: readonly string[];
}

export async function inspectDataDir(dataDir: string, disk: Disk, codec: Codec): Promise<DataDirReport> {
  const problems: string[] = [];
  const node = await readNode(dataDir, disk, problems);
  const walDir = `${dataDir}/wal`;
  const recovery = await recoverWal(walDir, disk, codec);
  for (const { where, groupIds } of recovery.damage) {
    problems.push(`WAL damage: ${where}; groups concerned: ${groupIds === "all" ? "all" : groupIds.join(", ")}`);
  }
  const wal: WalFileReport[] = [];
  for (const { path } of recovery.files) wal.push(await inspectWalFile(path, disk, codec, recovery.walId));
  const logs: LogReport[] = [];
  for (const topicId of await disk.list(`${dataDir}/topics`)) {
    for (const name of await disk.list(`${dataDir}/topics/${topicId}`)) {
      const directory = `${dataDir}/topics/${topicId}/${name}`;
      const spec = await readSpec(directory, disk, problems);
      if (spec === null) continue;
      const known = recovery.groups.get(groupKey(spec.groupId, spec.replicaId));
      const end = known?.drained ?? null;
      logs.push({
        directory,
        spec,
        term: known?.hardState?.term ?? 0,
        vote: known?.hardState?.vote ?? 0,
        commit: known?.hardState?.commit ?? 0,
        drainedIndex: end?.index ?? 0,
        walFrames: known?.frames.length ?? 0,
        segments: await inspectSegments(directory, disk, codec, end, problems),
        checkpoints: await inspectCheckpoints(directory, disk, problems),
      });
    }
  }
  return { dataDir, node, wal, logs, problems };
}

async function readNode(dataDir: string, disk: Disk, problems: string[]): Promise<DataDirReport["node"]> {
  try {
    return JSON.parse((await readAll(disk, `${dataDir}/node.json`)).toString("utf8")) as Record<string, unknown>;
  } catch {
    problems.push(`${dataDir}/node.json is missing or cannot be read: this directory has no identity`);
    return null;
  }
}

async function readSpec(directory: string, disk: Disk, problems: string[]): Promise<GroupSpec | null> {
  try {
    return JSON.parse((await readAll(disk, `${directory}/replica.json`)).toString("utf8")) as GroupSpec;
  } catch {
    problems.push(`${directory}/replica.json is missing or cannot be read`);
    return null;
  }
}

async function inspectWalFile(path: string, disk: Disk, codec: Codec, walId: string | null): Promise<WalFileReport> {
  const bytes = await readAll(disk, path);
  let flushes = 0;
  let firstSequence = 0;
  let lastSequence = 0;
  let frames = 0;
  for (let position = 0; position < bytes.length; ) {
    const flush = scanFlush(bytes, position, codec);
    if (flush === null || !flush.bodyOk || flush.header.walId !== walId || flush.header.sequence < lastSequence) {
      position += FLUSH_ALIGN;
      continue;
    }
    flushes++;
    if (firstSequence === 0) firstSequence = flush.header.sequence;
    lastSequence = flush.header.sequence;
    for (const { kind } of recordsOf(flush)) if (kind === 1) frames++;
    position += align(FLUSH_HEADER_BYTES + flush.header.bodyBytes);
  }
  return { file: path, bytes: bytes.length, flushes, firstSequence, lastSequence, frames };
}

async function inspectSegments(
  directory: string,
  disk: Disk,
  codec: Codec,
  end: { readonly segment: number; readonly position: number } | null,
  problems: string[],
): Promise<SegmentReport[]> {
  const reports: SegmentReport[] = [];
  for (const name of await disk.list(directory)) {
    const parsed = parseSegmentName(name);
    if (parsed === null) continue;
    const report = await inspectSegment(`${directory}/${name}`, parsed, disk, codec);
    const durable =
      end === null || parsed.firstIndex < end.segment
        ? report.bytes
        : parsed.firstIndex === end.segment
          ? end.position
          : 0;
    const before = reports[reports.length - 1];
    if (report.problem !== null && report.goodBytes < durable) problems.push(`${report.file}: ${report.problem}`);
    if (before !== undefined && report.firstIndex !== before.lastIndex + 1) {
      problems.push(
        `${directory}: no segment holds the indexes from ${before.lastIndex + 1} to ${report.firstIndex - 1}`,
      );
    }
    const { goodBytes: _goodBytes, ...rest } = report;
    reports.push(rest);
  }
  return reports;
}

async function inspectSegment(
  path: string,
  { baseOffset, firstIndex }: { readonly baseOffset: number; readonly firstIndex: number },
  disk: Disk,
  codec: Codec,
): Promise<SegmentReport & { readonly goodBytes: number }> {
  const bytes = await readAll(disk, path);
  const report = { nextOffset: baseOffset, lastIndex: firstIndex - 1, frames: 0, batches: 0, records: 0 };
  let problem: string | null = null;
  let position = SEGMENT_HEADER_BYTES;
  while (position < bytes.length) {
    const frame = readFrame(bytes, position);
    problem = typeof frame === "string" ? frame : payloadProblem(frame, (data) => codec.crc32c(data));
    if (typeof frame === "string" || problem !== null) {
      problem = `at byte ${position}: ${problem}`;
      break;
    }
    report.frames++;
    if (frame.kind === FrameKind.batch) report.batches++;
    report.records += frame.recordCount;
    report.lastIndex = frame.index;
    report.nextOffset = frame.baseOffset + frame.offsetSpan;
    position += frameBytes(frame);
  }
  return { file: path, bytes: bytes.length, baseOffset, firstIndex, ...report, problem, goodBytes: position };
}

async function inspectCheckpoints(directory: string, disk: Disk, problems: string[]): Promise<CheckpointReport[]> {
  const reports: CheckpointReport[] = [];
  for (const name of await disk.list(directory)) {
    if (!name.endsWith(".checkpoint")) continue;
    const file = `${directory}/${name}`;
    const bytes = await readAll(disk, file);
    try {
      const { index, offset } = decodeSnapshot(bytes);
      reports.push({ file, bytes: bytes.length, index, offset, problem: null });
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      reports.push({ file, bytes: bytes.length, index: Number(name.slice(0, 20)), offset: -1, problem });
      problems.push(`${file}: ${problem}`);
    }
  }
  return reports;
}
