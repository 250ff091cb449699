/**
 * damage-rows.ts: ways to damage the files of a stopped broker, and what must come of each (faults 5 to 12 of the fault table in `test/README.md`).
 */
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  controllerFolder,
  cut,
  filesIn,
  flipBit,
  flipInside,
  flushesOf,
  type LogFolder,
  overwrite,
  readAt,
  swap,
  walFiles,
} from "./data-files.js";

/** A stopped broker's folder, and what is known of it. */
export interface Victim {
  readonly dataDir: string;
  /** Partitions of the test's topic. */
  readonly logs: readonly [LogFolder, LogFolder];
  /** Another broker's folder, running or not: to take files from. */
  readonly otherDataDir: string;
}

/**
 * `served`: nothing is lost that the broker cannot make anew by itself; of a checkpoint that depends on what came after it. `renewed`: it quarantines what is damaged, and gets fresh replicas.
 * `refused`: it does not start, and says what to do; the files are put back then.
 */
export type Outcome = "served" | "renewed" | "served or renewed" | "refused";

export interface DamageRow {
  readonly what: string;
  readonly outcome: Outcome;
  readonly damage: (victim: Victim) => void;
  /** In the broker's log, or what it says at the end. */
  readonly says?: RegExp;
  /** A row of the table of faults names it: it is never left out. */
  readonly isInTable?: boolean;
}

const first = (paths: readonly string[]): string => at(paths, 0);
const last = (paths: readonly string[]): string => at(paths, paths.length - 1);

function at(paths: readonly string[], index: number): string {
  const path = paths[index];
  if (path === undefined) throw new Error(`there is no file ${index} of ${paths.length}`);
  return path;
}

function removeAll(paths: readonly string[]): void {
  for (const path of paths) rmSync(path);
}

function flipEach(paths: readonly string[], position: number): void {
  for (const path of paths) flipBit(path, position);
}

const nodeFile = ({ dataDir }: Victim): string => join(dataDir, "node.json");
const lmdb = ({ dataDir }: Victim): string => join(dataDir, "state", "data.mdb");
const replicaFile = ({ logs }: Victim): string => join(logs[0].path, "replica.json");

const SEGMENTS: readonly DamageRow[] = [
  {
    what: "a bit flips in a sealed segment",
    isInTable: true,
    outcome: "renewed",
    damage: ({ logs }) => flipInside(first(logs[0].segments)),
  },
  {
    what: "a bit flips in the segment in use",
    outcome: "renewed",
    damage: ({ logs }) => flipBit(last(logs[0].segments), 150),
  },
  {
    what: "a bit flips in a segment's header",
    outcome: "renewed",
    damage: ({ logs }) => flipBit(first(logs[0].segments), 30),
  },
  {
    what: "a sealed segment is cut",
    outcome: "renewed",
    damage: ({ logs }) => cut(first(logs[0].segments), 50_000),
    says: /instead of/,
  },
  {
    what: "the segment in use is cut",
    outcome: "renewed",
    damage: ({ logs }) => cut(last(logs[0].segments), 120),
    says: /instead of/,
  },
  {
    what: "a segment is emptied",
    outcome: "renewed",
    damage: ({ logs }) => cut(first(logs[0].segments), 0),
    says: /instead of/,
  },
  {
    what: "a segment is deleted",
    outcome: "renewed",
    damage: ({ logs }) => rmSync(first(logs[0].segments)),
    says: /is missing/,
  },
  {
    what: "two segments of a log are swapped",
    isInTable: true,
    outcome: "renewed",
    damage: ({ logs }) => swap(at(logs[0].segments, 0), at(logs[0].segments, 1)),
  },
  {
    what: "segments of two logs are swapped",
    outcome: "renewed",
    damage: ({ logs }) => swap(first(logs[0].segments), first(logs[1].segments)),
  },
  {
    what: "a piece of another log's segment is written into one",
    isInTable: true,
    outcome: "renewed",
    damage: ({ logs }) => overwrite(first(logs[0].segments), 96, readAt(first(logs[1].segments), 96, 4_096)),
  },
];

const INDEXES: readonly DamageRow[] = [
  { what: "a bit flips in an index", outcome: "served", damage: ({ logs }) => flipBit(first(logs[0].indexes), 10) },
  { what: "an index is cut", outcome: "served", damage: ({ logs }) => cut(first(logs[0].indexes), 40) },
  {
    what: "all indexes are deleted",
    isInTable: true,
    outcome: "served",
    damage: ({ logs }) => removeAll(logs[0].indexes),
  },
  {
    what: "indexes of two logs are swapped",
    outcome: "served",
    damage: ({ logs }) => swap(first(logs[0].indexes), first(logs[1].indexes)),
  },
  {
    what: "a piece of a segment is written into an index",
    outcome: "served",
    damage: ({ logs }) => overwrite(first(logs[0].indexes), 40, readAt(first(logs[0].segments), 96, 128)),
  },
];

const CHECKPOINTS: readonly DamageRow[] = [
  {
    what: "a bit flips in every checkpoint",
    outcome: "renewed",
    damage: ({ logs }) => flipEach(logs[0].checkpoints, 40),
    says: /checksum/,
  },
  {
    what: "the checkpoint of the oldest segment is cut",
    outcome: "renewed",
    damage: ({ logs }) => cut(first(logs[0].checkpoints), 30),
  },
  {
    what: "all checkpoints are deleted",
    outcome: "renewed",
    damage: ({ logs }) => removeAll(logs[0].checkpoints),
    says: /no checkpoint/,
  },
  {
    what: "all checkpoints are another log's",
    outcome: "renewed",
    damage: ({ logs }) => {
      for (const path of logs[0].checkpoints) writeFileSync(path, readFileSync(last(logs[1].checkpoints)));
    },
    says: /another log/,
  },
  {
    what: "a bit flips in the newest checkpoint",
    outcome: "served or renewed",
    damage: ({ logs }) => flipBit(last(logs[0].checkpoints), 40),
    says: /an older checkpoint takes the place|checksum is wrong/,
  },
  {
    what: "the newest checkpoint is deleted",
    outcome: "served or renewed",
    damage: ({ logs }) => rmSync(last(logs[0].checkpoints)),
  },
  {
    what: "the oldest and the newest checkpoint are swapped",
    outcome: "served or renewed",
    damage: ({ logs }) => swap(first(logs[0].checkpoints), last(logs[0].checkpoints)),
  },
  {
    what: "a piece of a segment is written into the newest checkpoint",
    outcome: "served or renewed",
    damage: ({ logs }) => overwrite(last(logs[0].checkpoints), 40, readAt(first(logs[0].segments), 96, 64)),
    says: /an older checkpoint takes the place|checksum is wrong/,
  },
];

const WAL: readonly DamageRow[] = [
  {
    what: "a bit flips in a flush of the WAL that others follow",
    outcome: "renewed",
    damage: ({ dataDir }) => {
      const path = first(walFiles(dataDir));
      const starts = flushesOf(path);
      // Not in the padding of one that holds nothing: that bit is nobody's.
      const start = starts.find((from) => from > (starts[2] ?? 0) && readAt(path, from + 48, 4).readUInt32LE() > 100);
      const groups = readAt(path, (start ?? 0) + 64, 4).readUInt32LE();
      flipBit(path, (start ?? 0) + 80 + 8 * groups + 20);
    },
  },
  {
    what: "a flush of the WAL is written to another place of it",
    outcome: "renewed",
    damage: ({ dataDir }) => {
      const path = first(walFiles(dataDir));
      const starts = flushesOf(path);
      overwrite(path, starts[Math.floor(starts.length / 2)] ?? 0, readAt(path, starts[1] ?? 0, 4_096));
    },
  },
  {
    what: "the oldest file of the WAL is deleted",
    outcome: "renewed",
    damage: ({ dataDir }) => rmSync(first(walFiles(dataDir))),
    says: /missing/,
  },
  {
    what: "two files of the WAL are swapped",
    outcome: "renewed",
    damage: ({ dataDir }) => swap(at(walFiles(dataDir), 0), at(walFiles(dataDir), 1)),
  },
  {
    what: "the newest file of the WAL is cut at the end of a flush",
    outcome: "renewed",
    damage: ({ dataDir }) => {
      const path = last(walFiles(dataDir));
      cut(path, flushesOf(path).at(-1) ?? 0);
    },
    says: /which was cut to/,
  },
  {
    what: "the whole WAL is deleted",
    outcome: "renewed",
    damage: ({ dataDir }) => removeAll(filesIn(join(dataDir, "wal"))),
    says: /holds no flush/,
  },
];

const STATE: readonly DamageRow[] = [
  {
    what: "LMDB's file is full of flipped bits",
    isInTable: true,
    outcome: "served",
    damage: (victim) => {
      for (let byte = 0; byte < statSync(lmdb(victim)).size; byte += 512) flipBit(lmdb(victim), byte);
    },
    says: /begins empty/,
  },
  { what: "LMDB's file is cut", outcome: "served", damage: (victim) => cut(lmdb(victim), 5_000), says: /begins empty/ },
  { what: "LMDB's file is deleted", outcome: "served", damage: (victim) => rmSync(lmdb(victim)) },
  {
    what: "LMDB's folder is deleted",
    outcome: "served",
    damage: ({ dataDir }) => rmSync(join(dataDir, "state"), { recursive: true }),
  },
  {
    what: "LMDB's file is another broker's",
    outcome: "served",
    damage: (victim) => writeFileSync(lmdb(victim), readFileSync(join(victim.otherDataDir, "state", "data.mdb"))),
  },
  {
    what: "a piece of a segment is written over LMDB's first page",
    outcome: "served",
    damage: (victim) => overwrite(lmdb(victim), 0, readAt(first(victim.logs[0].segments), 96, 4_096)),
  },
];

const IDENTITY: readonly DamageRow[] = [
  {
    what: "a bit flips in node.json",
    outcome: "refused",
    damage: (victim) => flipInside(nodeFile(victim)),
    says: /damaged node\.json/,
  },
  {
    what: "node.json is emptied",
    outcome: "refused",
    damage: (victim) => cut(nodeFile(victim), 0),
    says: /damaged node\.json/,
  },
  {
    what: "a piece of a segment is written into node.json",
    outcome: "refused",
    damage: (victim) => overwrite(nodeFile(victim), 10, readAt(first(victim.logs[0].segments), 96, 64)),
    says: /damaged node\.json/,
  },
  {
    what: "node.json is deleted",
    outcome: "refused",
    damage: (victim) => rmSync(nodeFile(victim)),
    says: /holds data but no node\.json/,
  },
  {
    what: "node.json is another broker's",
    outcome: "refused",
    damage: (victim) => writeFileSync(nodeFile(victim), readFileSync(join(victim.otherDataDir, "node.json"))),
    says: /belongs to broker/,
  },
  {
    what: "a bit flips in replica.json",
    outcome: "renewed",
    damage: (victim) => flipInside(replicaFile(victim)),
    says: /replica\.json/,
  },
  {
    what: "replica.json is deleted",
    outcome: "renewed",
    damage: (victim) => rmSync(replicaFile(victim)),
    says: /replica\.json/,
  },
  {
    what: "a replica's folder is deleted",
    outcome: "renewed",
    damage: ({ logs }) => rmSync(logs[0].path, { recursive: true }),
    says: /has no folder|folder is gone/,
  },
  {
    what: "the controller's log loses its checkpoints",
    outcome: "renewed",
    damage: ({ dataDir }) => removeAll(controllerFolder(dataDir).checkpoints),
  },
];

/** Every row. */
export const DAMAGE_ROWS: readonly DamageRow[] = [
  ...SEGMENTS,
  ...INDEXES,
  ...CHECKPOINTS,
  ...WAL,
  ...STATE,
  ...IDENTITY,
];
