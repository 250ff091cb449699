/**
 * input.ts: what the quickstart sends: every line of a file, or of every text file that git tracks here, as a record.
 *
 * The value of a record is the line without its newline. Two facts that a value cannot carry travel in headers: `line`, the line's number
 * in its file (real logs repeat lines), and `newline` = "none" on a last line that has none. So a reader can rebuild each file.
 */
import { execFileSync } from "node:child_process";
import { lstatSync, readFileSync } from "node:fs";
import { MIB, VarveError } from "@varve/base";
import { splitLine } from "../input/key-rule.js";
import { LineSplitter } from "../input/lines.js";

/** What to send, as the command line says it; all that the verifying process knows beside the cluster's address. */
export type InputChoice =
  | { readonly kind: "repository" }
  | { readonly kind: "file"; readonly path: string; readonly keyField: number | null };

export interface InputRecord {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array;
  /** 1-based, in the record's file. */
  readonly line: number;
  /** Whether a newline followed. */
  readonly newline: boolean;
}

/** One file; in a repository all its lines have its path as key. */
export interface InputFile {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly records: readonly InputRecord[];
}

/** All input is held in memory. */
const INPUT_BYTES_MAX = 256 * MIB;
const LINE_BYTES_MAX = MIB;
const GIT_OUTPUT_BYTES_MAX = 64 * MIB;
const NEWLINE = 0x0a;

/** @throws VarveError when something cannot be read or is too large. */
export function readInput(choice: InputChoice): InputFile[] {
  if (choice.kind === "file") return [fileInput(choice.path, choice.keyField)];
  let total = 0;
  return trackedFiles().flatMap((path) => {
    const bytes = textOf(path);
    if (bytes === null) return [];
    total = requireRoom(total + bytes.length);
    return [inputFile(path, bytes, () => Buffer.from(path))];
  });
}

function fileInput(path: string, keyField: number | null): InputFile {
  const bytes = readOrFail(path);
  requireRoom(bytes.length);
  if (keyField === null) return inputFile(path, bytes, () => null);
  const rule = { kind: "blank-field", field: keyField } as const;
  return inputFile(path, bytes, (line) => splitLine(line, rule).key);
}

function inputFile(path: string, bytes: Uint8Array, keyOf: (line: Uint8Array) => Uint8Array | null): InputFile {
  const splitter = new LineSplitter(LINE_BYTES_MAX);
  const lines = splitter.push(bytes);
  const rest = splitter.end();
  const all = rest === null ? lines : [...lines, rest];
  const records = all.map((value, index) => ({
    key: keyOf(value),
    value,
    line: index + 1,
    newline: rest === null || index < lines.length,
  }));
  return { path, bytes, records };
}

/** Paths from the root of the repository that the working directory is in. */
function trackedFiles(): string[] {
  try {
    const output = execFileSync("git", ["ls-files", "-z"], {
      maxBuffer: GIT_OUTPUT_BYTES_MAX,
      stdio: ["ignore", "pipe", "pipe"],
    });
    return output
      .toString("utf8")
      .split("\0")
      .filter((path) => path !== "");
  } catch (error) {
    throw new VarveError("INVALID_ARGUMENT", {
      message: "git ls-files fails here; run this in a clone of the repository, or give --input FILE",
      cause: error,
    });
  }
}

/** The bytes of a text file; null for links, submodules, files deleted in the working tree, and binaries (which hold a NUL byte). */
function textOf(path: string): Uint8Array | null {
  if (lstatSync(path, { throwIfNoEntry: false })?.isFile() !== true) return null;
  const bytes = readOrFail(path);
  return bytes.includes(0) ? null : bytes;
}

function readOrFail(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new VarveError("INVALID_ARGUMENT", {
      message: `cannot read ${path}: ${String(error)}`,
      details: { path },
      cause: error,
    });
  }
}

function requireRoom(bytes: number): number {
  if (bytes <= INPUT_BYTES_MAX) return bytes;
  throw new VarveError("INVALID_ARGUMENT", {
    message: `the input is larger than ${INPUT_BYTES_MAX} bytes, which the quickstart holds in memory; choose a smaller --input`,
  });
}

/** Paths of the files that no longer hold what was read from them. */
export function changedFiles(files: readonly InputFile[]): string[] {
  const isUnchanged = ({ path, bytes }: InputFile): boolean =>
    lstatSync(path, { throwIfNoEntry: false }) !== undefined && readOrFail(path).equals(bytes);
  return files.filter((file) => !isUnchanged(file)).map(({ path }) => path);
}

/** The bytes that a record stands for in its file. */
export function fileBytes({ value, newline }: Pick<InputRecord, "value" | "newline">): Uint8Array {
  return newline ? Buffer.concat([value, Uint8Array.of(NEWLINE)]) : value;
}
