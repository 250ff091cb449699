/** lmdb-check.test.ts: each thing that LMDB trusts, changed alone in a sound file, is found. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { lmdbProblem } from "./lmdb-check.js";
import { LmdbFile, type Meta } from "./lmdb-pages.js";
import { lmdbStores } from "./lmdb-store.js";

const HEADER_BYTES = 24;
/** Fields of a meta page, counted from its start. */
const META = {
  magic: 24,
  mapBytes: 40,
  depth: 54,
  mainFlags: 100,
  mainEntries: 128,
  mainRoot: 136,
  lastPage: 144,
  transaction: 152,
};

interface Place {
  readonly content: Buffer;
  readonly meta: Meta;
  /** Where the newest meta page begins, and where a leaf, the root and the first list of free pages do. */
  readonly metaAt: number;
  readonly leafAt: number;
  readonly rootAt: number;
  readonly freeAt: number;
}

let folder = "";
let sound: Place;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "varve-lmdb-check-"));
  const store = await lmdbStores({ logger: silentLogger }).open(folder);
  const random = new Prng(1);
  for (let number = 0; number < 20; number++)
    await store.write(Array.from({ length: 100 }, () => [`key/${random.between(100, 999)}`, random.bytes(50)]));
  await store.write([["large", random.bytes(20_000)]]);
  await store.close();
  sound = placesOf(join(folder, "data.mdb"));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function placesOf(path: string): Place {
  const file = new LmdbFile(path);
  const { meta, pageBytes } = file;
  const root = meta.main.root ?? 0;
  const at = (page: number): number => page * pageBytes;
  const content = readFileSync(path);
  const leaf = content.readUInt32LE(at(root) + HEADER_BYTES + content.readUInt16LE(at(root) + HEADER_BYTES));
  file.close();
  expect([meta.main.depth, meta.free.depth]).toEqual([2, 1]);
  const freeAt = at(meta.free.root ?? 0);
  return { content, meta, metaAt: at(meta.transaction % 2), leafAt: at(leaf), rootAt: at(root), freeAt };
}

const nodeAt = (content: Buffer, pageAt: number, slot: number): number =>
  pageAt + HEADER_BYTES + content.readUInt16LE(pageAt + HEADER_BYTES + 2 * slot);

function problemAfter(change: (copy: Buffer, place: Place) => void): string | null {
  const copy = Buffer.from(sound.content);
  change(copy, sound);
  const path = join(folder, "changed");
  writeFileSync(path, copy);
  return lmdbProblem(path, () => true);
}

test("a file that LMDB wrote is sound, and nothing is missing of it", () => {
  expect(problemAfter(() => undefined)).toBe(null);
});

type Change = (copy: Buffer, place: Place) => void;
const CHANGES: readonly (readonly [what: string, problem: string, change: Change])[] = [
  ["a meta page's magic", "another format", (copy, { metaAt }) => copy.writeUInt8(0, metaAt + META.magic)],
  ["the map's size", "address space", (copy, { metaAt }) => copy.writeUInt8(1, metaAt + META.mapBytes + 7)],
  ["a transaction far ahead", "in a row", (copy, { metaAt }) => copy.writeUInt8(1, metaAt + META.transaction + 3)],
  [
    "a transaction of the other page",
    "the other one's",
    (copy, { metaAt, meta }) => copy.writeUInt32LE(meta.transaction + 1, metaAt + META.transaction),
  ],
  ["the last page, upwards", "that are nowhere", (copy, { metaAt }) => copy.writeUInt8(1, metaAt + META.lastPage + 3)],
  ["the last page, downwards", "there is no page", (copy, { metaAt }) => copy.writeUInt32LE(2, metaAt + META.lastPage)],
  [
    "the root, to a page that is not there",
    "there is no page",
    (copy, { metaAt }) => copy.writeUInt32LE(1_000_000, metaAt + META.mainRoot),
  ],
  ["the root, to a meta page", "there is no page", (copy, { metaAt }) => copy.writeUInt32LE(1, metaAt + META.mainRoot)],
  ["the kind of the entries", "another kind", (copy, { metaAt }) => copy.writeUInt16LE(4, metaAt + META.mainFlags)],
  [
    "the depth of the free pages' tree",
    "another kind",
    (copy, { metaAt }) => copy.writeUInt16LE(2, metaAt + META.depth),
  ],
  ["the count of entries", "count of entries", (copy, { metaAt }) => copy.writeUInt8(0xff, metaAt + META.mainEntries)],
  [
    "a page's own number",
    "calls itself another",
    (copy, { leafAt }) => copy.writeUInt8(copy.readUInt8(leafAt) ^ 1, leafAt),
  ],
  ["a page's transaction", "never was", (copy, { leafAt }) => copy.writeUInt8(1, leafAt + 13)],
  ["a page's kind", "another kind", (copy, { leafAt }) => copy.writeUInt16LE(0x22, leafAt + 18)],
  [
    "the end of a page's slots",
    "",
    (copy, { leafAt }) => copy.writeUInt16LE(copy.readUInt16LE(leafAt + 20) + 2, leafAt + 20),
  ],
  ["the start of a page's nodes", "", (copy, { leafAt }) => copy.writeUInt16LE(0, leafAt + 22)],
  ["where a node begins", "leaves its page", (copy, { leafAt }) => copy.writeUInt16LE(4_070, leafAt + HEADER_BYTES)],
  [
    "two slots for one node",
    "do not ascend",
    (copy, { leafAt }) => copy.copyWithin(leafAt + HEADER_BYTES, leafAt + HEADER_BYTES + 2, leafAt + HEADER_BYTES + 4),
  ],
  ["a key's size", "", (copy, { leafAt }) => copy.writeUInt16LE(60_000, nodeAt(copy, leafAt, 3) + 6)],
  ["a value's size", "leaves its page", (copy, { leafAt }) => copy.writeUInt32LE(1_000_000, nodeAt(copy, leafAt, 3))],
  ["a node's flags", "never written", (copy, { leafAt }) => copy.writeUInt16LE(6, nodeAt(copy, leafAt, 3) + 4)],
  ["the order of keys", "do not ascend", (copy, { leafAt }) => copy.write("zzz", nodeAt(copy, leafAt, 3) + 8)],
  ["a branch's key", "", (copy, { rootAt }) => copy.write("zzz", nodeAt(copy, rootAt, 1) + 8)],
  [
    "a branch's child, to one that has a parent",
    "further on",
    (copy, { rootAt }) =>
      copy.copyWithin(nodeAt(copy, rootAt, 1), nodeAt(copy, rootAt, 2), nodeAt(copy, rootAt, 2) + 4),
  ],
  [
    "a free page, to one in use",
    "used twice",
    (copy, { freeAt, meta }) => setFreePage(copy, freeAt, meta.main.root ?? 0),
  ],
  ["a free page, to a run of many", "no page", (copy, { freeAt }) => setFreePage(copy, freeAt, -1_000_000)],
  [
    "the count of a list of free pages",
    "longer than its bytes",
    (copy, { freeAt }) => copy.writeUInt32LE(1_000_000, listAt(copy, freeAt)),
  ],
];

/** Where the newest list of free pages begins: its count, then page numbers. */
function listAt(copy: Buffer, freeAt: number): number {
  const slots = copy.readUInt16LE(freeAt + 20) / 2;
  return nodeAt(copy, freeAt, slots - 1) + 16;
}

function setFreePage(copy: Buffer, freeAt: number, page: number): void {
  expect(copy.readUInt32LE(listAt(copy, freeAt))).toBeGreaterThanOrEqual(2);
  copy.writeBigInt64LE(BigInt(page), listAt(copy, freeAt) + 8);
}

test.each(CHANGES)("%s", (_, problem, change) => {
  const found = problemAfter(change);
  expect(found).not.toBe(null);
  expect(found).toContain(problem);
});

test("a file that ends before its root does is not sound, wherever it ends", () => {
  for (let bytes = 0; bytes < sound.rootAt + 4_096; bytes += 1_000) {
    writeFileSync(join(folder, "cut"), sound.content.subarray(0, bytes));
    expect(lmdbProblem(join(folder, "cut"), () => true)).not.toBe(null);
  }
});

test("a file that cannot be read is the system's error, not a judgement", () => {
  expect(() => lmdbProblem(join(folder, "absent"), () => true)).toThrow("ENOENT");
});
