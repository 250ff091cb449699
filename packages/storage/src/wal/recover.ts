/**
 * recover.ts: reads the write-ahead log at a start, and tells its end from damage.
 *
 * Flush k+1 exists only after flush k was durable. So where a flush cannot be read, a later valid flush anywhere after it proves
 * corruption; none proves that this was the end, torn by the crash. Nothing is skipped: damage quarantines the groups that may have
 * had something there.
 */
import type { Codec, Disk } from "@varve/base";
import type { Frame } from "../api.js";
import { readU64, view } from "../bytes.js";
import { readFrame } from "../frame.js";
import {
  align,
  type DrainedRecord,
  decodeFlushHeader,
  FLUSH_ALIGN,
  FLUSH_HEADER_BYTES,
  type FlushHeader,
  type HardStateRecord,
  RecordKind,
  readNumbers,
} from "./format.js";
import type { WalFile } from "./wal.js";

/** What the WAL says about one group. */
export interface RecoveredGroup {
  hardState: HardStateRecord | null;
  drained: DrainedRecord | null;
  /** Index of the last reset; frames at or below it do not count. */
  resetIndex: number;
  tombstone: boolean;
  /** Frames after the drained ones, dense; what was superseded is gone. */
  frames: Frame[];
}

export interface WalRecovery {
  readonly files: readonly WalFile[];
  readonly groups: Map<string, RecoveredGroup>;
  readonly sequence: number;
  readonly previousCrc: number;
  readonly walId: string | null;
  /** Damage before the end: where, and which groups it concerns ("all": not known). */
  readonly damage: readonly { readonly where: string; readonly groupIds: readonly number[] | "all" }[];
}

/** One flush as it lies in a file. */
export interface ScannedFlush {
  readonly position: number;
  readonly header: FlushHeader;
  readonly body: Buffer;
  readonly bodyOk: boolean;
}

export function groupKey(groupId: number, replicaId: number): string {
  return `${groupId}/${replicaId}`;
}

export async function recoverWal(dir: string, disk: Disk, codec: Codec): Promise<WalRecovery> {
  const names = (await disk.list(dir)).filter((name) => /^\d{20}\.wal$/.test(name));
  const files: WalFile[] = [];
  const groups = new Map<string, RecoveredGroup>();
  const damage: { where: string; groupIds: readonly number[] | "all" }[] = [];
  let sequence = 0;
  let previousCrc = 0;
  let walId: string | null = null;
  let broken: { where: string; groupIds: readonly number[] | "all" } | null = null;
  for (const name of names) {
    const path = `${dir}/${name}`;
    const bytes = await readAll(disk, path);
    const file: WalFile = { sequence: Number(name.slice(0, 20)), path, groups: new Map() };
    files.push(file);
    const last = files[files.length - 2];
    if (last !== undefined && file.sequence !== last.sequence + 1)
      damage.push({ where: `${dir}: file ${last.sequence + 1} is missing`, groupIds: "all" });
    for (let position = 0; position < bytes.length; ) {
      const flush = scanFlush(bytes, position, codec);
      const fits =
        flush?.bodyOk &&
        (walId === null || flush.header.walId === walId) &&
        (sequence === 0 || flush.header.sequence === sequence + 1);
      if (flush !== null && fits) {
        // What was torn before it had this very sequence: the last flush of a process that crashed in it, written anew by the next.
        broken = null;
        walId = flush.header.walId;
        sequence = flush.header.sequence;
        previousCrc = flush.header.crc;
        readRecords(flush, groups, file);
        position += align(FLUSH_HEADER_BYTES + flush.header.bodyBytes);
        continue;
      }
      if (flush !== null && walId !== null && flush.header.walId === walId && flush.header.sequence > sequence) {
        const torn = !flush.bodyOk && flush.header.sequence === sequence + 1;
        if (torn && broken === null) broken = { where: `${path} at ${position}`, groupIds: groupIdsOf(flush) };
        else if (flush.bodyOk) {
          // A later valid flush: what lies between was durable once and cannot be read now.
          damage.push(broken ?? { where: `${path} before ${position}`, groupIds: "all" });
          broken = null;
          sequence = flush.header.sequence - 1;
          continue;
        }
      }
      position += FLUSH_ALIGN;
    }
  }
  return { files, groups, sequence, previousCrc, walId, damage };
}

export function scanFlush(bytes: Buffer, position: number, codec: Codec): ScannedFlush | null {
  const header = decodeFlushHeader(bytes, position);
  if (header === null) return null;
  const start = position + FLUSH_HEADER_BYTES;
  const body = bytes.subarray(start, start + header.bodyBytes);
  const bodyOk = body.length === header.bodyBytes && codec.crc32c(body) === header.bodyCrc;
  return { position, header, body, bodyOk };
}

function groupIdsOf({ header, body }: ScannedFlush): number[] | "all" {
  if (header.groupCount * 8 > body.length) return "all";
  return Array.from({ length: header.groupCount }, (_, at) => readU64(body, at * 8));
}

/** The records of a flush: kind and content. */
export function* recordsOf({
  header,
  body,
}: ScannedFlush): Generator<{ readonly kind: number; readonly content: Buffer }> {
  let at = header.groupCount * 8;
  while (at + 8 <= body.length) {
    const bytes = body.readUInt32LE(at + 4);
    yield { kind: body[at] ?? 0, content: body.subarray(at + 8, at + 8 + bytes) };
    at += 8 + bytes;
  }
}

function readRecords(flush: ScannedFlush, groups: Map<string, RecoveredGroup>, file: WalFile): void {
  for (const { kind, content } of recordsOf(flush)) {
    if (kind === RecordKind.frame) {
      const replicaId = readU64(view(content), 0);
      const frame = readFrame(content, 8);
      if (typeof frame !== "string") addFrame(groupOf(groups, frame.groupId, replicaId), frame, file);
      continue;
    }
    const [groupId = 0, replicaId = 0, third = 0, fourth = 0, fifth = 0, sixth = 0] = readNumbers(content);
    const group = groupOf(groups, groupId, replicaId);
    if (kind === RecordKind.hardState)
      group.hardState = { groupId, replicaId, term: third, vote: fourth, commit: fifth };
    else if (kind === RecordKind.drained) {
      group.drained = { groupId, replicaId, segment: third, position: fourth, index: fifth, term: sixth };
      const keep = group.frames.findIndex((frame) => frame.index > fifth);
      group.frames = keep < 0 ? [] : group.frames.slice(keep);
    } else if (kind === RecordKind.tombstone) {
      group.tombstone = true;
      group.frames = [];
    } else if (kind === RecordKind.reset) {
      group.resetIndex = third;
      file.groups.set(groupId, Math.max(third, file.groups.get(groupId) ?? 0));
      group.frames = [];
      group.drained = null;
    }
  }
}

function addFrame(group: RecoveredGroup, frame: Frame, file: WalFile): void {
  file.groups.set(frame.groupId, Math.max(frame.index, file.groups.get(frame.groupId) ?? 0));
  if (
    group.tombstone ||
    frame.index <= group.resetIndex ||
    (group.drained !== null && frame.index <= group.drained.index)
  )
    return;
  const first = group.frames[0];
  if (first === undefined) {
    group.frames.push(frame);
    return;
  }
  if (frame.index < first.index) {
    group.frames = [frame];
    return;
  }
  group.frames.length = Math.min(group.frames.length, frame.index - first.index);
  group.frames.push(frame);
}

function groupOf(groups: Map<string, RecoveredGroup>, groupId: number, replicaId: number): RecoveredGroup {
  const key = groupKey(groupId, replicaId);
  let group = groups.get(key);
  if (group === undefined) {
    group = { hardState: null, drained: null, resetIndex: 0, tombstone: false, frames: [] };
    groups.set(key, group);
  }
  return group;
}

export async function readAll(disk: Disk, path: string): Promise<Buffer> {
  const file = await disk.open(path, "read");
  try {
    const bytes = Buffer.allocUnsafe(await file.size());
    let at = 0;
    while (at < bytes.length) {
      const read = await file.read(bytes.subarray(at), at);
      if (read === 0) break;
      at += read;
    }
    return bytes.subarray(0, at);
  } finally {
    await file.close();
  }
}
