/**
 * identity.ts: node.json, the identity of a data directory, and the note beside it.
 *
 * Both are written whole and replaced by rename. A directory with data but without node.json is never taken for an empty one.
 */
import { type Disk, type Random, randomUuid, VarveError } from "@varve/base";
import { crc32c } from "@varve/records";
import type { NodeIdentity } from "./api.js";
import { isMissingFile } from "./log/checkpoint.js";
import { readFile, writeWholeFile } from "./log/log-files.js";

/** The format that this version writes, and the newest that it reads. */
export const FORMAT_VERSION = 1;
const BOOT_IDS_MAX = 64;
export const NODE_FILE = "node.json";
const NOTE_FILE = "note.json";

/** What node.json holds beside what callers see. */
export interface StoredIdentity extends NodeIdentity {
  /** Marks the flushes of this directory's WAL; 32 hexadecimal digits, known to nobody else. */
  readonly walId: string;
}

/** An error about the data directory that a person must resolve. */
export function unusable(dataDir: string, problem: string, cause?: unknown): VarveError {
  return new VarveError("DATA_DIR_UNUSABLE", {
    message: `data directory ${dataDir} ${problem}`,
    details: { dataDir },
    cause,
  });
}

export function newIdentity(random: Random): StoredIdentity {
  return {
    directoryId: randomUuid(random),
    clusterId: null,
    brokerId: null,
    bootIds: [],
    formatVersion: FORMAT_VERSION,
    walId: Array.from(random.bytes(16), (byte) => byte.toString(16).padStart(2, "0")).join(""),
  };
}

export function withBootId(identity: StoredIdentity, bootId: string): StoredIdentity {
  return { ...identity, bootIds: [...identity.bootIds, bootId].slice(-BOOT_IDS_MAX) };
}

/** Null: there is none. @throws VarveError DATA_DIR_UNUSABLE: damaged, or of a newer format. */
export async function readIdentity(disk: Disk, dataDir: string): Promise<StoredIdentity | null> {
  const parsed = await readJson(disk, dataDir, NODE_FILE);
  if (parsed === null) return null;
  // Before the checksum: a newer version may compute another one.
  const { formatVersion } = parsed;
  if (typeof formatVersion === "number" && formatVersion > FORMAT_VERSION) {
    throw unusable(
      dataDir,
      `has format ${formatVersion}, this version reads up to ${FORMAT_VERSION}; start it with the version that wrote it, or a newer one`,
    );
  }
  const stored = checked(parsed, dataDir, NODE_FILE);
  if (!isIdentity(stored)) {
    throw unusable(
      dataDir,
      "has a node.json that lacks fields; restore it from a backup, or start with an empty directory",
    );
  }
  return stored;
}

function isIdentity(value: object): value is StoredIdentity {
  const stored = value as Partial<Record<keyof StoredIdentity, unknown>>;
  return (
    typeof stored.directoryId === "string" &&
    (stored.clusterId === null || typeof stored.clusterId === "string") &&
    (stored.brokerId === null || typeof stored.brokerId === "number") &&
    Array.isArray(stored.bootIds) &&
    stored.bootIds.every((bootId) => typeof bootId === "string") &&
    stored.formatVersion === FORMAT_VERSION &&
    typeof stored.walId === "string" &&
    /^[0-9a-f]{32}$/.test(stored.walId)
  );
}

/** Durable when it resolves. */
export function writeIdentity(disk: Disk, dataDir: string, identity: StoredIdentity): Promise<void> {
  return writeChecked(disk, dataDir, NODE_FILE, identity);
}

export async function readNote(disk: Disk, dataDir: string): Promise<string | null> {
  const stored = await readChecked(disk, dataDir, NOTE_FILE);
  if (stored === null) return null;
  if (!("text" in stored) || typeof stored.text !== "string")
    throw unusable(dataDir, "has a note.json without text; restore it from a backup");
  return stored.text;
}

/** Durable when it resolves. */
export function writeNote(disk: Disk, dataDir: string, text: string): Promise<void> {
  return writeChecked(disk, dataDir, NOTE_FILE, { text });
}

function checksumOf(value: object): number {
  return crc32c(new TextEncoder().encode(JSON.stringify(value)));
}

/** Writes a JSON object with a checksum over its other fields; durable when it resolves. */
export function writeChecked(disk: Disk, dir: string, name: string, value: object): Promise<void> {
  const text = JSON.stringify({ ...value, checksum: checksumOf(value) }, null, 2);
  return writeWholeFile(disk, dir, name, [new TextEncoder().encode(`${text}\n`)]);
}

/** Reads what `writeChecked` wrote; null: no such file. @throws VarveError DATA_DIR_UNUSABLE: it is damaged. */
export async function readChecked(disk: Disk, dir: string, name: string): Promise<Record<string, unknown> | null> {
  const parsed = await readJson(disk, dir, name);
  return parsed === null ? null : checked(parsed, dir, name);
}

function checked(parsed: Record<string, unknown>, dir: string, name: string): Record<string, unknown> {
  const { checksum, ...value } = parsed;
  if (checksum === sumOrNull(value)) return value;
  throw unusable(dir, `has a damaged ${name}: its checksum is wrong; restore it from a backup`);
}

/** Null: the object cannot be written as JSON again, since it is nested deeper than the stack is. */
function sumOrNull(value: object): number | null {
  try {
    return checksumOf(value);
  } catch {
    return null;
  }
}

async function readJson(disk: Disk, dir: string, name: string): Promise<Record<string, unknown> | null> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(disk, `${dir}/${name}`);
  } catch (error) {
    if (isMissingFile(error)) return null;
    throw error;
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw unusable(dir, `has a damaged ${name}: it is not JSON; restore it from a backup`, error);
  }
  if (typeof parsed !== "object" || parsed === null) {
    throw unusable(dir, `has a damaged ${name}: it is no object; restore it from a backup`);
  }
  return parsed as Record<string, unknown>;
}
