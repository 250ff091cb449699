/** data-files.ts: the files of a broker's data folder as tests that damage them find and change them. */
import {
  closeSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

/** Topic id of the controller's log. */
const CONTROLLER = "00000000-0000-0000-0000-000000000000";

/** One log's files, in their order. */
export interface LogFolder {
  readonly path: string;
  readonly segments: readonly string[];
  readonly indexes: readonly string[];
  readonly checkpoints: readonly string[];
}

/** The replica of a topic's partition in a data folder: the one whose segments hold most. */
export function logFolder(dataDir: string, topicId: string, partition: number): LogFolder {
  const topic = join(dataDir, "topics", topicId);
  const folders = readdirSync(topic).filter((name) => name.startsWith(`${partition}_`));
  const [path] = folders.map((name) => join(topic, name)).sort((left, right) => bytesIn(right) - bytesIn(left));
  if (path === undefined) throw new Error(`${topic} has no replica of partition ${partition}`);
  const ending = (end: string): string[] => filesIn(path).filter((file) => file.endsWith(end));
  return { path, segments: ending(".log"), indexes: ending(".idx"), checkpoints: ending(".checkpoint") };
}

export function controllerFolder(dataDir: string): LogFolder {
  return logFolder(dataDir, CONTROLLER, 0);
}

export function filesIn(folder: string): string[] {
  return readdirSync(folder)
    .sort()
    .map((name) => join(folder, name));
}

/** WAL files that a start would read, oldest first; others wait to be used again and hold nothing that counts. */
export function walFiles(dataDir: string): string[] {
  const files = filesIn(join(dataDir, "wal")).filter((path) => flushesOf(path).length > 0);
  const newest = files.at(-1);
  if (newest === undefined) throw new Error(`${dataDir} has no WAL`);
  const lastFlush = flushesOf(newest).at(-1) ?? 0;
  const oldestLive = Number(readAt(newest, lastFlush + 40, 8).readBigUInt64LE());
  return files.filter((path) => numberOf(path) >= oldestLive);
}

function numberOf(path: string): number {
  return Number(/(\d+)\.wal$/.exec(path)?.[1] ?? Number.NaN);
}

export function flipBit(path: string, at: number): void {
  const [byte = 0] = readAt(path, at, 1);
  overwrite(path, at, Buffer.from([byte ^ 1]));
}

/** Flips a bit in the middle of the file. */
export function flipInside(path: string): void {
  flipBit(path, Math.floor(statSync(path).size / 2));
}

export function cut(path: string, bytes: number): void {
  const fd = openSync(path, "r+");
  ftruncateSync(fd, bytes);
  closeSync(fd);
}

export function swap(one: string, two: string): void {
  renameSync(one, `${one}.swapped`);
  renameSync(two, one);
  renameSync(`${one}.swapped`, two);
}

export function overwrite(path: string, at: number, bytes: Uint8Array): void {
  const fd = openSync(path, "r+");
  writeSync(fd, bytes, 0, bytes.length, at);
  closeSync(fd);
}

export function readAt(path: string, at: number, bytes: number): Buffer {
  const fd = openSync(path, "r");
  try {
    const buffer = Buffer.alloc(bytes);
    return buffer.subarray(0, readSync(fd, buffer, 0, bytes, at));
  } finally {
    closeSync(fd);
  }
}

/** Where the flushes of a WAL file begin: at multiples of 4,096, with a header that names this use of the file. */
export function flushesOf(path: string): number[] {
  const bytes = readFileSync(path);
  const starts: number[] = [];
  for (let at = 0; at + 40 <= bytes.length; at += 4_096) {
    const isHeader = bytes.toString("latin1", at, at + 4) === "VWAL";
    if (isHeader && Number(bytes.readBigUInt64LE(at + 32)) === numberOf(path)) starts.push(at);
  }
  return starts;
}

function bytesIn(folder: string): number {
  return filesIn(folder).reduce((sum, path) => sum + statSync(path).size, 0);
}
