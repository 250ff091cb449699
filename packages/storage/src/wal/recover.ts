/**
 * recover.ts: reads the write-ahead log at a start, and tells its torn end from damage.
 *
 * Flush k+1 was written only after flush k was durable. So a flush that cannot be read is the torn end if no flush with a higher
 * sequence is anywhere, and corruption if one is. Nothing is cut because of a checksum and nothing is skipped in silence:
 * damage quarantines the groups that its header names, or all groups when no header says which they were.
 *
 * A WAL that ends before its real end at the edge of a flush looks like one that ends there. A file that is shorter than its flushes say was cut, and
 * so was one after the last that is shorter than any is made: then all groups may have lost something. Newest flushes that a disk gives back as
 * if they had never been written cannot be told from here; the group's leader knows what was acknowledged to it, and says so in heartbeats.
 */
import { assertDefined, type Disk, type GroupId, type Logger } from "@varve/base";
import type { Checksum } from "../frame/payload.js";
import { readBody, wholeBlocks } from "./flush-format.js";
import type { WalRecord } from "./records.js";
import { GroupReplay } from "./replay.js";
import { FlushBodies, type FoundFlush, type ScannedFile, scanWalFile } from "./scan.js";
import type { WalPosition } from "./wal.js";
import { FIRST_FILE_BYTES, type WalFile, walFileNumber } from "./wal-files.js";

/** A place in the WAL that cannot be read although it was durable, and whom it may concern. */
export interface WalDamage {
  readonly where: string;
  readonly groups: readonly GroupId[] | "all";
}

/** What the WAL has lost of that group; null: nothing. */
export function damageOf(damage: readonly WalDamage[], groupId: GroupId): string | null {
  const found = damage.find(({ groups }) => groups === "all" || groups.includes(groupId));
  return found?.where ?? null;
}

export interface WalRecovery {
  readonly groups: ReadonlyMap<GroupId, GroupReplay>;
  readonly damage: readonly WalDamage[];
  /** Files from the oldest needed to the one where writing goes on; references are not counted yet. */
  readonly live: readonly WalFile[];
  /** Files that hold nothing that matters. */
  readonly pool: readonly WalFile[];
  readonly start: WalPosition;
  /** Where the last intact flush lies; null: there is none. */
  readonly lastFlush: { readonly path: string; readonly position: number; readonly bytes: number } | null;
  /** Bytes of a flush that the last crash tore; 0 = none. */
  readonly tornBytes: number;
}

/** One flush as it was judged, for recovery and for `inspectDataDir`. */
export type JudgedFlush =
  | { readonly kind: "intact"; readonly flush: FoundFlush; readonly records: readonly WalRecord[] }
  | { readonly kind: "torn"; readonly flush: FoundFlush; readonly problem: string }
  | { readonly kind: "damaged"; readonly flush: FoundFlush; readonly problem: string }
  /** Flushes that are gone, found by a gap in the sequence or a file that was cut; `where` says between what. */
  | { readonly kind: "missing"; readonly where: string; readonly path: string | null };

/** All files of a WAL folder, in order. */
export async function scanWal(disk: Disk, dir: string, walId: Uint8Array, checksum: Checksum): Promise<ScannedFile[]> {
  const files: ScannedFile[] = [];
  for (const name of await disk.list(dir)) {
    const number = walFileNumber(name);
    if (number !== null) files.push(await scanWalFile(disk, `${dir}/${name}`, number, walId, checksum));
  }
  return files;
}

/** Judges every flush from the oldest live file on, in sequence. */
export async function* judgeFlushes(
  disk: Disk,
  files: readonly ScannedFile[],
  checksum: Checksum,
): AsyncGenerator<JudgedFlush> {
  const bodies = new FlushBodies(disk);
  try {
    yield* judgeChain(await chainOf(bodies, files, checksum), bodies, files, checksum);
  } finally {
    await bodies.close();
  }
}

async function* judgeChain(
  chain: readonly FoundFlush[],
  bodies: FlushBodies,
  files: readonly ScannedFile[],
  checksum: Checksum,
): AsyncGenerator<JudgedFlush> {
  const oldest = chain[0];
  if (oldest === undefined) return;
  if (oldest.position !== 0) yield missing(`${oldest.path} before byte ${oldest.position}`);
  let before: FoundFlush | null = null;
  for (const [at, flush] of chain.entries()) {
    if (before !== null && !follows(before, flush)) {
      yield missing(`between ${spot(before)} and ${spot(flush)}`);
    }
    before = flush;
    const records = readBody(flush.header, await bodies.of(flush), checksum);
    if (typeof records !== "string") yield { kind: "intact", flush, records };
    else if (at === chain.length - 1) yield { kind: "torn", flush, problem: records };
    else yield { kind: "damaged", flush, problem: records };
  }
  yield* cutFiles(files, chain[chain.length - 1] ?? oldest);
}

function missing(where: string, path: string | null = null): JudgedFlush {
  return { kind: "missing", where, path };
}

function follows(before: FoundFlush, flush: FoundFlush): boolean {
  return flush.header.sequence === before.header.sequence + 1 && flush.header.previousCrc === before.header.crc;
}

function spot(flush: FoundFlush): string {
  return `flush ${flush.header.sequence} (${flush.path} at byte ${flush.position})`;
}

/** The flushes that count, by sequence: those in files from the oldest live one on, each sequence once. */
async function chainOf(bodies: FlushBodies, files: readonly ScannedFile[], checksum: Checksum): Promise<FoundFlush[]> {
  const found = files.flatMap((file) => file.flushes);
  found.sort((left, right) => left.header.sequence - right.header.sequence);
  const last = found[found.length - 1];
  if (last === undefined) return [];
  const oldestFile = last.header.oldestFile;
  const chain: FoundFlush[] = [];
  for (const flush of found) {
    if (flush.header.fileNumber < oldestFile) continue;
    const before = chain[chain.length - 1];
    if (before === undefined || before.header.sequence !== flush.header.sequence) chain.push(flush);
    // A torn end may have been left behind when the same sequence was written again elsewhere: the intact one counts.
    else if (typeof readBody(before.header, await bodies.of(before), checksum) === "string")
      chain[chain.length - 1] = flush;
  }
  return chain;
}

/** Reads the whole WAL. A folder without any flush is recovered as a new one that has lost everything: damage to all. */
export async function recoverWal(options: {
  readonly disk: Disk;
  readonly dir: string;
  readonly walId: Uint8Array;
  readonly checksum: Checksum;
  readonly logger: Logger;
  /** Simulators' negative control: what cannot be read is taken for the end. */
  readonly truncateOnCrcError?: boolean;
}): Promise<WalRecovery> {
  const { disk, dir, walId, checksum, logger, truncateOnCrcError = false } = options;
  const files = await scanWal(disk, dir, walId, checksum);
  const groups = new Map<GroupId, GroupReplay>();
  const damage: WalDamage[] = [];
  const damagedPaths = new Set<string>();
  let last: FoundFlush | null = null;
  let torn: FoundFlush | null = null;
  for await (const judged of judgeFlushes(disk, files, checksum)) {
    if (truncateOnCrcError && judged.kind !== "intact") break;
    if (judged.kind === "missing") {
      damage.push({ where: `WAL flushes are missing ${judged.where}`, groups: "all" });
      if (judged.path !== null) damagedPaths.add(judged.path);
      continue;
    }
    const { flush } = judged;
    if (judged.kind === "torn") {
      torn = flush;
      logger.info(
        { path: flush.path, position: flush.position },
        "the last flush was torn by a crash and never acknowledged",
      );
      continue;
    }
    last = flush;
    if (judged.kind === "damaged") {
      damagedPaths.add(flush.path);
      damage.push({ where: `WAL ${spot(flush)}: ${judged.problem}`, groups: flush.header.groups });
    } else {
      for (const record of judged.records) replayOf(groups, record.groupId).add(record, flush.header.fileNumber);
    }
  }
  if (last === null && torn === null) damage.push({ where: `${dir} holds no flush of this WAL`, groups: "all" });
  damage.push(...missingFiles(dir, files, last));
  const lastFlush = last === null ? null : { path: last.path, position: last.position, bytes: last.header.totalBytes };
  return { groups, damage, ...arrange(files, last, damagedPaths), lastFlush, tornBytes: torn?.header.totalBytes ?? 0 };
}

function replayOf(groups: Map<GroupId, GroupReplay>, groupId: GroupId): GroupReplay {
  let replay = groups.get(groupId);
  if (replay === undefined) {
    replay = new GroupReplay(groupId);
    groups.set(groupId, replay);
  }
  return replay;
}

/** Numbers between the oldest live file and the last one that have no file. */
function missingFiles(dir: string, files: readonly ScannedFile[], last: FoundFlush | null): WalDamage[] {
  if (last === null) return [];
  const numbers = new Set(files.map((file) => file.number));
  const highest = Math.max(...numbers);
  const damage: WalDamage[] = [];
  for (let number = last.header.oldestFile; number <= highest; number++) {
    if (!numbers.has(number)) damage.push({ where: `${dir}: file ${number} is missing`, groups: "all" });
  }
  return damage;
}

/** Files that have lost their end, and with it perhaps the newest flushes. In files before the last one the sequence shows what is gone. */
function cutFiles(files: readonly ScannedFile[], { header }: FoundFlush): JudgedFlush[] {
  const { fileNumber, fileBlocks } = header;
  const newBlocksMin = Math.min(fileBlocks, wholeBlocks(FIRST_FILE_BYTES));
  return files.flatMap(({ path, number, bytes }) => {
    const blocksMin = number === fileNumber ? fileBlocks : newBlocksMin;
    if (number < fileNumber || wholeBlocks(bytes) >= blocksMin) return [];
    return [missing(`at the end of ${path}, which was cut to ${bytes} bytes`, path)];
  });
}

/** Which files stay, which may be used again, and where the next flush goes. */
function arrange(
  files: readonly ScannedFile[],
  last: FoundFlush | null,
  damagedPaths: ReadonlySet<string>,
): Pick<WalRecovery, "live" | "pool" | "start"> {
  const toWalFile = ({ number, path, bytes }: ScannedFile): WalFile => {
    return { number, path, bytes, references: 0, isDamaged: damagedPaths.has(path) };
  };
  if (last === null) {
    const newest = assertDefined(files[files.length - 1], "a formatted WAL has a file");
    const start = { nextSequence: 1, previousCrc: 0, position: 0 };
    return { live: [toWalFile(newest)], pool: [], start };
  }
  const { header } = last;
  const isLive = (file: ScannedFile): boolean => file.number >= header.oldestFile && file.number <= header.fileNumber;
  return {
    live: files.filter(isLive).map(toWalFile),
    pool: files.filter((file) => !isLive(file)).map(toWalFile),
    start: { nextSequence: header.sequence + 1, previousCrc: header.crc, position: last.position + header.totalBytes },
  };
}
