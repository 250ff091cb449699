/**
 * replay-check.ts: compares what a replay from offset 0 reads with the input. Pure.
 *
 * Checked, each counted by itself:
 *   Q1  every line of the input is in the log (lost = 0), once (duplicates = 0), with its own bytes and key (altered = 0), and nothing
 *       else is (invented = 0). With the line number as a record's name this makes the log the same multiset of lines as the input.
 *   Q2  lines of one key lie in one partition in the order of the input (disordered = 0)
 *   Q3  offsets of each partition run from 0 without gaps (offsetGaps = 0)
 *   Q4  a repository's files, rebuilt from the log alone in the order of reading, have the input's SHA-256
 */
import { createHash, type Hash } from "node:crypto";
import type { VarveRecord } from "@varve/client";
import { fileBytes, type InputFile, type InputRecord } from "./input.js";

/** Names of the headers that carry what a value cannot. */
export const HEADER = { line: "line", newline: "newline" } as const;
/** Value of the header `newline` on a last line without one. */
export const NO_NEWLINE = "none";

export interface Verdict {
  readonly records: number;
  readonly lost: number;
  readonly duplicates: number;
  readonly altered: number;
  readonly invented: number;
  readonly disordered: number;
  readonly offsetGaps: number;
  /** By partition: the offset after the last one. */
  readonly ends: readonly number[];
  readonly files: number;
  /** Files rebuilt byte for byte; null when the input is one file, whose lines are spread over partitions by their keys. */
  readonly filesRebuilt: number | null;
  /** Paths of the first files that are not. */
  readonly filesBroken: readonly string[];
}

/** A record of the log, as far as the check looks at it. */
export type LogRecord = Pick<VarveRecord, "partition" | "offset" | "key" | "value" | "headers">;

interface FileState {
  readonly input: InputFile;
  readonly seen: Uint8Array;
  readonly hash: Hash;
}

interface KeyState {
  readonly partition: number;
  line: number;
}

const BROKEN_LISTED_MAX = 10;

export class ReplayCheck {
  private readonly files: ReadonlyMap<string, FileState>;
  private readonly single: FileState | null;
  private readonly keys = new Map<string, KeyState>();
  private readonly nextOffsets = new Map<number, number>();
  private records = 0;
  private duplicates = 0;
  private altered = 0;
  private invented = 0;
  private disordered = 0;
  private offsetGaps = 0;

  /** @param byPath whether a record's key is the path of its file; else all records are of the one file. */
  constructor(input: readonly InputFile[], byPath: boolean) {
    const states = input.map((file) => ({
      input: file,
      seen: new Uint8Array(file.records.length),
      hash: createHash("sha256"),
    }));
    this.files = new Map(states.map((state) => [state.input.path, state]));
    this.single = byPath ? null : (states[0] ?? null);
  }

  /** Takes the next record of the replay; those of one partition come in the order of their offsets. */
  add(record: LogRecord): void {
    this.records += 1;
    this.checkOffset(record);
    const file = this.single ?? this.files.get(record.key?.toString() ?? "");
    const line = Number(record.headers[HEADER.line]?.toString());
    const expected = file?.input.records[line - 1];
    if (file === undefined || expected === undefined) {
      this.invented += 1;
      return;
    }
    const value = record.value ?? Buffer.alloc(0);
    const newline = record.headers[HEADER.newline]?.toString() !== NO_NEWLINE;
    if (!isSame(expected, record.key, value, newline)) this.altered += 1;
    if (file.seen[line - 1] === 1) this.duplicates += 1;
    else this.checkOrder(record, line);
    file.seen[line - 1] = 1;
    file.hash.update(fileBytes({ value, newline }));
  }

  /** The verdict after the last record. */
  finish(): Verdict {
    const states = [...this.files.values()];
    const broken = this.single === null ? states.filter((state) => !isRebuilt(state)) : [];
    return {
      records: this.records,
      lost: states.reduce((lost, { seen }) => lost + seen.filter((mark) => mark === 0).length, 0),
      duplicates: this.duplicates,
      altered: this.altered,
      invented: this.invented,
      disordered: this.disordered,
      offsetGaps: this.offsetGaps,
      ends: this.ends(),
      files: states.length,
      filesRebuilt: this.single === null ? states.length - broken.length : null,
      filesBroken: broken.slice(0, BROKEN_LISTED_MAX).map(({ input }) => input.path),
    };
  }

  private ends(): number[] {
    const partitions = Math.max(-1, ...this.nextOffsets.keys()) + 1;
    return Array.from({ length: partitions }, (_, partition) => this.nextOffsets.get(partition) ?? 0);
  }

  private checkOffset({ partition, offset }: LogRecord): void {
    if (offset !== (this.nextOffsets.get(partition) ?? 0)) this.offsetGaps += 1;
    this.nextOffsets.set(partition, offset + 1);
  }

  private checkOrder({ key, partition }: LogRecord, line: number): void {
    if (key === null) return; // Records without key have no order to keep.
    const name = key.toString("latin1");
    const last = this.keys.get(name);
    if (last === undefined) {
      this.keys.set(name, { partition, line });
      return;
    }
    if (last.partition !== partition || last.line > line) this.disordered += 1;
    last.line = Math.max(last.line, line);
  }
}

/** Whether a verdict proves what the quickstart claims. */
export function isProof(verdict: Verdict): boolean {
  const { lost, duplicates, altered, invented, disordered, offsetGaps, files, filesRebuilt } = verdict;
  const wrong = lost + duplicates + altered + invented + disordered + offsetGaps;
  return wrong === 0 && (filesRebuilt === null || filesRebuilt === files);
}

function isSame(expected: InputRecord, key: Buffer | null, value: Buffer, newline: boolean): boolean {
  const sameKey = expected.key === null ? key === null : key?.equals(expected.key) === true;
  return sameKey && value.equals(expected.value) && newline === expected.newline;
}

function isRebuilt({ input, hash }: FileState): boolean {
  return hash.digest("hex") === createHash("sha256").update(input.bytes).digest("hex");
}
