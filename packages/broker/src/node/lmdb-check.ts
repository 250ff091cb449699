/**
 * lmdb-check.ts: judges an LMDB file before LMDB maps it into memory.
 *
 * LMDB trusts its file: a page number beyond the file's end is a bus error, a wrong size in a page is a read or write anywhere, a wrong count
 * trips an assertion, and each of them ends the process. So the newest snapshot is walked from its roots here, with plain reads, and only a file
 * that passes is handed to LMDB.
 * Invariants of a file that passes:
 *   C1  every page that can be reached lies in the file, is of the kind that its place asks for and is from a transaction that was
 *   C2  no page is reached twice, and no page in use is listed as free
 *   C3  keys ascend, and lie within what the branches above say; counts and depths are those of the meta page
 *   C4  every entry passes the caller's own check (a checksum), so that no byte of a key or value has changed
 * What it cannot see: damage to bytes that nothing refers to (harmless), and damage after the check.
 * Cost: one read of each page in use, in a walk that does not let go of the thread; 100,000 entries (42 MiB) take 0.1 s, 10^6 (257 MiB) 1 s.
 */
import { isVarveError } from "@varve/base";
import { demand, type LeafNode, LmdbFile, PageFlag, type TreeHead } from "./lmdb-pages.js";

const INTEGER_KEYS = 0x08;
/** As deep as LMDB's cursors go. */
const DEPTH_MAX = 32;
const FIRST_PAGE = 2;

/** Whether a key with this value was written by the caller. */
export type EntryCheck = (key: Buffer, value: Buffer) => boolean;

/**
 * Why LMDB must not open this file, in words; null when it may.
 * @throws the system's error when the file cannot be read at all.
 */
export function lmdbProblem(path: string, isEntry: EntryCheck): string | null {
  try {
    const file = new LmdbFile(path);
    try {
      new Check(file).run(isEntry);
    } finally {
      file.close();
    }
    return null;
  } catch (error) {
    if (isVarveError(error)) return error.message;
    throw error;
  }
}

/** Keys of a subtree: from `low` on (null: any), below `high` (null: any). */
interface Bounds {
  readonly low: Buffer | null;
  readonly high: Buffer | null;
}

class Check {
  private readonly file: LmdbFile;
  private readonly seen = new Set<number>();
  private highestPage = FIRST_PAGE - 1;

  constructor(file: LmdbFile) {
    this.file = file;
  }

  run(isEntry: EntryCheck): void {
    const { meta, pageBytes, sizeBytes } = this.file;
    demand(meta.mapBytes < 2 ** 46, "the map is larger than an address space");
    demand(meta.main.flags === 0 && meta.main.pad === 0, "the entries are of another kind");
    demand(meta.free.flags === INTEGER_KEYS, "the list of free pages is of another kind");
    new Walk(this, this.file, meta.main, Buffer.compare).run((node, value) => {
      demand(isEntry(node.key, value), "an entry is not as it was written");
    });
    new Walk(this, this.file, meta.free, compareIntegers).run((_, value) => this.checkFreeList(value));
    const inFile = Math.ceil(sizeBytes / pageBytes) - 1;
    demand(meta.lastPage <= Math.max(inFile, this.highestPage), "pages are counted that are nowhere");
  }

  /** C2, and that the numbers are possible. */
  visit(page: number, pages = 1): void {
    const { lastPage } = this.file.meta;
    demand(page >= FIRST_PAGE && pages >= 1 && page + pages - 1 <= lastPage, `there is no page ${page}`);
    for (let number = page; number < page + pages; number++) {
      demand(!this.seen.has(number), `page ${number} is used twice`);
      this.seen.add(number);
    }
    this.highestPage = Math.max(this.highestPage, page + pages - 1);
  }

  /** A list of 8-byte numbers: how many follow; then page numbers, 0 for nothing, or -n: n pages from the next number on. */
  private checkFreeList(list: Buffer): void {
    demand(list.length >= 8 && list.length % 8 === 0, "a list of free pages is cut");
    const count = Number(list.readBigInt64LE(0));
    demand(count >= 0 && count <= list.length / 8 - 1, "a list of free pages is longer than its bytes");
    for (let slot = 1; slot <= count; slot++) {
      const number = Number(list.readBigInt64LE(8 * slot));
      if (number > 0) this.visit(number);
      if (number >= 0) continue;
      slot++;
      demand(slot <= count, "a list of free pages ends in the middle of a run");
      this.visit(Number(list.readBigInt64LE(8 * slot)), -number);
    }
  }
}

type Compare = (left: Buffer, right: Buffer) => number;

/** One tree, from its root to its entries. */
class Walk {
  private readonly check: Check;
  private readonly file: LmdbFile;
  private readonly head: TreeHead;
  private readonly compare: Compare;
  private readonly found = { branchPages: 0, leafPages: 0, overflowPages: 0, entries: 0 };

  constructor(check: Check, file: LmdbFile, head: TreeHead, compare: Compare) {
    this.check = check;
    this.file = file;
    this.head = head;
    this.compare = compare;
  }

  run(onEntry: (node: LeafNode, value: Buffer) => void): void {
    const { head, found } = this;
    demand(head.depth <= DEPTH_MAX && (head.root === null) === (head.depth === 0), "a tree's depth is none");
    if (head.root !== null) this.descend(head.root, 1, { low: null, high: null }, onEntry);
    for (const count of ["branchPages", "leafPages", "overflowPages", "entries"] as const)
      demand(found[count] === head[count], `the count of ${count} is another`);
  }

  private descend(page: number, level: number, bounds: Bounds, onEntry: (node: LeafNode, value: Buffer) => void): void {
    this.check.visit(page);
    if (level === this.head.depth) {
      this.found.leafPages++;
      this.leaf(this.file.leafNodes(this.file.page(page, PageFlag.leaf)), bounds, onEntry);
      return;
    }
    this.found.branchPages++;
    const nodes = this.file.branchNodes(this.file.page(page, PageFlag.branch));
    // LMDB asserts it for the entries, and lets the tree of free pages have less.
    demand(nodes.length >= (this.compare === Buffer.compare ? 2 : 1), "a branch has too few children");
    // The first key of a branch stands for "less than the second" and is never compared.
    this.checkOrder(nodes.slice(1), bounds);
    for (const [at, { key, child }] of nodes.entries()) {
      const low = at === 0 ? bounds.low : key;
      this.descend(child, level + 1, { low, high: nodes[at + 1]?.key ?? bounds.high }, onEntry);
    }
  }

  private leaf(nodes: readonly LeafNode[], bounds: Bounds, onEntry: (node: LeafNode, value: Buffer) => void): void {
    demand(nodes.length >= 1, "a leaf is empty");
    this.checkOrder(nodes, bounds);
    for (const node of nodes) onEntry(node, node.data ?? this.overflowValue(node));
    this.found.entries += nodes.length;
  }

  private overflowValue({ overflow, dataBytes }: LeafNode): Buffer {
    demand(overflow !== null, "a node has no data");
    this.check.visit(overflow.page, overflow.pages);
    this.found.overflowPages += overflow.pages;
    return this.file.overflow(overflow.page, overflow.pages, dataBytes);
  }

  /** C3 */
  private checkOrder(nodes: readonly { readonly key: Buffer }[], { low, high }: Bounds): void {
    let before = low;
    for (const [at, { key }] of nodes.entries()) {
      demand(key.length > 0, "a key is empty");
      demand(this.compare === Buffer.compare || key.length === 8, "a number has another length");
      const order = before === null ? 1 : this.compare(key, before);
      demand(order > 0 || (order === 0 && at === 0), "keys do not ascend");
      before = key;
    }
    demand(before === null || high === null || this.compare(before, high) < 0, "a key belongs further on");
  }
}

/** Keys of the list of free pages: numbers of 8 bytes, lowest byte first. */
function compareIntegers(left: Buffer, right: Buffer): number {
  return Buffer.compare(Buffer.from(left).reverse(), Buffer.from(right).reverse());
}
