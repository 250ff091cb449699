import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { changedFiles, fileBytes, type InputFile, type InputRecord, readInput } from "./input.js";
import { interleave, TAMPERS, tamper } from "./order.js";
import { HEADER, isProof, type LogRecord, NO_NEWLINE, ReplayCheck, type Verdict } from "./replay-check.js";

const home = process.cwd();
let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "varve-input-"));
});
afterEach(() => {
  process.chdir(home);
  rmSync(folder, { recursive: true, force: true });
});

/** A repository with every kind of file that is hard to rebuild. */
function repository(): InputFile[] {
  const file = (name: string, bytes: string): void => writeFileSync(join(folder, name), Buffer.from(bytes, "latin1"));
  mkdirSync(join(folder, "sub"));
  file("plain.txt", "a\nb\nc\n");
  file("sub/no newline.txt", "a\nb");
  file("empty.txt", "");
  file("only-newlines.txt", "\n\n");
  file("crlf.txt", "a\r\nb\r\n");
  file("latin1.txt", "\xe4\n\xff\xfe");
  file("ü.txt", "same\nsame\nsame\n");
  file("binary.bin", "a\0b\n");
  file("deleted.txt", "gone\n");
  file("untracked.txt", "not ours\n");
  symlinkSync("plain.txt", join(folder, "link.txt"));
  const git = (...args: string[]): void => void execFileSync("git", args, { cwd: folder, stdio: "ignore" });
  git("init");
  git("add", "--all", ".");
  git("rm", "-q", "--cached", "untracked.txt");
  rmSync(join(folder, "deleted.txt"));
  process.chdir(folder);
  return readInput({ kind: "repository" });
}

/** The log that these records lead to: one partition for each first letter of a key. */
function logOf(records: readonly InputRecord[]): LogRecord[] {
  const next = new Map<number, number>();
  return records.map(({ key, value, line, newline }) => {
    const partition = key === null ? 0 : (key[0] ?? 0);
    const offset = next.get(partition) ?? 0;
    next.set(partition, offset + 1);
    const headers: Record<string, Buffer> = { [HEADER.line]: Buffer.from(String(line)) };
    if (!newline) headers[HEADER.newline] = Buffer.from(NO_NEWLINE);
    return { partition, offset, key: key === null ? null : Buffer.from(key), value: Buffer.from(value), headers };
  });
}

function judge(input: readonly InputFile[], log: readonly LogRecord[], byPath = true): Verdict {
  const check = new ReplayCheck(input, byPath);
  for (const record of log) check.add(record);
  return check.finish();
}

test("readInput: takes the tracked text files, and their records rebuild each of them", () => {
  const files = repository();
  expect(files.map(({ path }) => path).sort()).toEqual(
    ["crlf.txt", "empty.txt", "latin1.txt", "only-newlines.txt", "plain.txt", "sub/no newline.txt", "ü.txt"].sort(),
  );
  for (const { path, bytes, records } of files) {
    expect(Buffer.concat(records.map(fileBytes)).equals(bytes), path).toBe(true);
    expect(records.every(({ key }) => key !== null && Buffer.from(key).toString() === path)).toBe(true);
  }
});

test("readInput: a file's lines are keyed by a field; a line without it has no key", () => {
  const path = join(folder, "in.log");
  writeFileSync(path, "a 1\n\nb 2");
  const [file] = readInput({ kind: "file", path, keyField: 1 });
  expect(file?.records.map(({ key, line, newline }) => [key && Buffer.from(key).toString(), line, newline])).toEqual([
    ["a", 1, true],
    [null, 2, true],
    ["b", 3, false],
  ]);
  expect(() => readInput({ kind: "file", path: `${path}.none`, keyField: null })).toThrow("cannot read");
});

test("changedFiles: names the files that hold something else by now", () => {
  const files = repository();
  expect(changedFiles(files)).toEqual([]);
  writeFileSync("plain.txt", "a\nb\nC\n");
  rmSync("crlf.txt");
  expect(changedFiles(files).sort()).toEqual(["crlf.txt", "plain.txt"]);
});

test("interleave: keeps the order within a file and loses nothing", () => {
  const files = repository();
  const records = interleave(files);
  expect(records.length).toBe(files.reduce((sum, file) => sum + file.records.length, 0));
  for (const file of files) expect(records.filter((record) => file.records.includes(record))).toEqual(file.records);
});

test("ReplayCheck: the log of the input is a proof", () => {
  const files = repository();
  const verdict = judge(files, logOf(interleave(files)));
  expect(verdict).toMatchObject({ lost: 0, duplicates: 0, altered: 0, invented: 0, disordered: 0, offsetGaps: 0 });
  expect(verdict).toMatchObject({ files: 7, filesRebuilt: 7, filesBroken: [] });
  expect(isProof(verdict)).toBe(true);
});

test.each(TAMPERS)("ReplayCheck: %s of one record is no proof, whatever the input", (how) => {
  const files = repository();
  expect(isProof(judge(files, logOf(tamper(interleave(files), how))))).toBe(false);
  const path = join(folder, "in.log");
  writeFileSync(path, "k 1\nk 2\nk 1\nk 1\n");
  const single = readInput({ kind: "file", path, keyField: 1 });
  expect(isProof(judge(single, logOf(interleave(single)), false))).toBe(true);
  expect(isProof(judge(single, logOf(tamper(interleave(single), how)), false))).toBe(false);
});

test("tamper: swap needs two different lines of one key", () => {
  const path = join(folder, "in.log");
  writeFileSync(path, "a 1\nb 2\nc 3\n");
  const records = interleave(readInput({ kind: "file", path, keyField: 1 }));
  expect(() => tamper(records, "swap")).toThrow("two different lines of one key");
});

test.each<{ what: string; spoil: (log: LogRecord[]) => void; want: Partial<Verdict> }>([
  { what: "a changed byte", spoil: ([first]) => void first?.value?.write("Z"), want: { altered: 1 } },
  {
    what: "a record of no file",
    spoil: (log) => void log.push({ ...at(log, 0), key: Buffer.from("x"), offset: 0, partition: 9 }),
    want: { invented: 1 },
  },
  {
    what: "a line number past the end",
    spoil: (log) => void Object.assign(at(log, 0).headers, { line: Buffer.from("99") }),
    want: { invented: 1, lost: 1 },
  },
  {
    what: "a gap between offsets",
    spoil: (log) => void log.splice(0, 1, { ...at(log, 0), offset: 1 }),
    want: { offsetGaps: 2 },
  },
  { what: "a log that does not begin at 0", spoil: (log) => void log.splice(0, 1), want: { offsetGaps: 1, lost: 1 } },
  {
    what: "a key in two partitions",
    spoil: (log) => void log.splice(2, 1, { ...at(log, 2), partition: 9, offset: 0 }),
    want: { disordered: 1 },
  },
  {
    what: "a newline that was not there",
    spoil: (log) => void delete at(log, 2).headers["newline"],
    want: { altered: 1, filesRebuilt: 0 },
  },
])("ReplayCheck: finds $what", ({ spoil, want }) => {
  const lines = ["a", "b", "c"];
  const records = lines.map((text, index) => ({
    key: Buffer.from("f"),
    value: Buffer.from(text),
    line: index + 1,
    newline: index < 2,
  }));
  const input: InputFile[] = [{ path: "f", bytes: Buffer.from("a\nb\nc"), records }];
  const log = logOf(records);
  spoil(log);
  const verdict = judge(input, log);
  expect(verdict).toMatchObject(want);
  expect(isProof(verdict)).toBe(false);
});

function at(log: readonly LogRecord[], index: number): LogRecord {
  const record = log[index];
  if (record === undefined) throw new RangeError(`no record ${index}`);
  return record;
}
