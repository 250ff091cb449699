/**
 * power-cut.ts: makes a power cut of a SIGKILL: takes back what the killed process had written and not synced, or a part of it.
 *
 * The journals are written by power.c in the process. Bytes are taken back by sector, since a disk writes whole ones: each sector that was not
 * synced stands as it was at the last sync or as it was written last. Changes of names that no sync of their folder made durable are
 * taken back from the last to the first, all or down to one of them, as a file system with a journal would.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";

const SECTOR_BYTES = 512;
const HEAD_BYTES = 32;

export interface PowerCutOptions {
  /** The folder that was given to `FaultControl.env`. Its process must be gone; every process that wrote there. */
  readonly folder: string;
  /** Whether this one of the unsynced sectors, or sizes, is taken back; default: all are. A random one keeps a part. */
  readonly isLost?: () => boolean;
}

export interface PowerCutReport {
  readonly files: number;
  readonly sectorsLost: number;
  readonly sectorsKept: number;
  readonly namesLost: number;
}

interface SavedBytes {
  readonly at: number;
  readonly bytes: number;
  readonly size: number;
  readonly saved: Uint8Array;
}

/** Takes back what was not synced; afterwards the journals are empty, and the process can be started again. */
export function cutPower({ folder, isLost = () => true }: PowerCutOptions): PowerCutReport {
  const report = { files: 0, sectorsLost: 0, sectorsKept: 0, namesLost: 0 };
  for (const name of readdirSync(folder).filter((entry) => entry.endsWith(".undo"))) {
    const records = parseJournal(readFileSync(join(folder, name)));
    const file = join(folder, name.replace(/undo$/, "file"));
    if (records.length === 0 || !existsSync(file)) continue;
    const { lost, kept } = takeBack(file, records, isLost);
    report.files++;
    report.sectorsLost += lost;
    report.sectorsKept += kept;
  }
  report.namesLost = takeBackNames(folder, isLost);
  for (const name of readdirSync(folder)) rmSync(join(folder, name));
  return report;
}

/** Whether a cut at this moment would take bytes back. The process may be running. */
export function hasUnsynced(folder: string): boolean {
  const journals = readdirSync(folder).filter((entry) => entry.endsWith(".undo"));
  return journals.some((name) => (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0) > 0);
}

/** A record that a kill has cut is left out: its write was never begun. */
function parseJournal(bytes: Buffer): SavedBytes[] {
  const records: SavedBytes[] = [];
  let at = 0;
  while (at + HEAD_BYTES <= bytes.length) {
    const [from, length, size, saved] = [0, 8, 16, 24].map((field) => Number(bytes.readBigUInt64LE(at + field)));
    if (from === undefined || length === undefined || size === undefined || saved === undefined) break;
    const end = at + HEAD_BYTES + saved;
    if (end > bytes.length) break;
    records.push({ at: from, bytes: length, size, saved: bytes.subarray(at + HEAD_BYTES, end) });
    at = end;
  }
  return records;
}

function takeBack(path: string, records: readonly SavedBytes[], isLost: () => boolean): { lost: number; kept: number } {
  const fd = openSync(path, "r+");
  try {
    // The file as it was at the last sync: from the last record to the first.
    const newSize = fstatSync(fd).size;
    const sizes = records.map(({ size }) => size);
    const oldSize = sizes[0] ?? newSize;
    const before = Buffer.alloc(Math.max(newSize, ...sizes));
    readSync(fd, before, 0, newSize, 0);
    const touched = new Set<number>();
    for (const { at, bytes, size, saved } of [...records].reverse()) {
      before.set(saved, at);
      before.fill(0, size);
      for (let sector = Math.floor(at / SECTOR_BYTES); sector * SECTOR_BYTES < at + bytes; sector++)
        touched.add(sector);
    }
    const lostSectors = [...touched].filter(() => isLost());
    const isSizeLost = oldSize !== newSize && isLost();
    for (const sector of lostSectors) {
      const from = sector * SECTOR_BYTES;
      const bytes = Math.min(SECTOR_BYTES, before.length - from, (isSizeLost ? oldSize : newSize) - from);
      if (bytes > 0) writeSync(fd, before, from, bytes, from);
    }
    if (isSizeLost) ftruncateSync(fd, oldSize);
    return { lost: lostSectors.length, kept: touched.size - lostSectors.length };
  } finally {
    closeSync(fd);
  }
}

/** How many changes of names were taken back. */
function takeBackNames(folder: string, isLost: () => boolean): number {
  const file = join(folder, "names");
  if (!existsSync(file)) return 0;
  const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);
  let lost = 0;
  while (lost < lines.length && isLost()) {
    undoName(lines[lines.length - 1 - lost] ?? "");
    lost++;
  }
  return lost;
}

function undoName(line: string): void {
  const [kind, path = "", other = "", kept = "-"] = line.split("\t");
  if (kind === "C" || kind === "M") rmSync(path, { recursive: true, force: true });
  if (kind === "D") mkdirSync(path, { recursive: true });
  if (kind === "U") restore(kept, path);
  if (kind === "R") {
    // A kill between the note and the rename: nothing to take back.
    if (!existsSync(path)) restore(other, path);
    if (kept !== "-" && !existsSync(other)) restore(kept, other);
  }
}

function restore(from: string, to: string): void {
  if (!existsSync(from)) return;
  mkdirSync(dirname(to), { recursive: true });
  renameSync(from, to);
}
