/**
 * lmdb-pages.ts: reads the pages of an LMDB file with plain positioned reads, each checked before it is believed.
 *
 * Source: the data format, version 2, as liblmdb's mdb.c (1.0) describes it for 64-bit little-endian machines, which are all that Node.js runs on.
 * A page: number (u64), transaction (u64), pad (u16), flags (u16), lower and upper (u16; in an overflow page the count of pages, u32), then
 * the offsets of the nodes, counted from the end of this header, free space, and the nodes. A node: size of the data or lower half of the
 * child's number (u32), flags or upper part of the child's number (u16), size of the key (u16), key, data.
 * Invariants:
 *   P1  a node that is handed out lies in its page, nodes do not overlap, and together they fill what `upper` says
 *   P2  no page number, size or count is followed before it was compared with what the file can hold
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { VarveError } from "@varve/base";

const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const HEADER_BYTES = 24;
const NODE_BYTES = 8;
const META_BYTES = HEADER_BYTES + 144;
const PAGE_BYTES = [4_096, 8_192, 16_384, 32_768, 65_536];
/** Page number of a tree without entries. */
const NO_PAGE = 2 ** 64;

export const PageFlag = { branch: 0x01, leaf: 0x02, overflow: 0x04, meta: 0x08 } as const;
/** Flag of a leaf node whose data lies in overflow pages. */
const BIG_DATA = 0x01;
const OVERFLOW_LINK_BYTES = 24;

/**
 * Refuses a file that is not as LMDB leaves one.
 * @throws VarveError DATA_DIR_UNUSABLE; its message says what is wrong.
 */
export function demand(condition: boolean, whatIsWrong: string): asserts condition {
  if (!condition) throw new VarveError("DATA_DIR_UNUSABLE", { message: whatIsWrong });
}

/** One of the two trees: 0 the free pages, 1 the entries. */
export interface TreeHead {
  readonly pad: number;
  readonly flags: number;
  readonly depth: number;
  readonly branchPages: number;
  readonly leafPages: number;
  readonly overflowPages: number;
  readonly entries: number;
  /** Null: no entries. */
  readonly root: number | null;
}

/** Where a snapshot begins. */
export interface Meta {
  readonly transaction: number;
  readonly lastPage: number;
  readonly mapBytes: number;
  readonly free: TreeHead;
  readonly main: TreeHead;
}

export interface BranchNode {
  readonly key: Buffer;
  readonly child: number;
}

/** Data in the page, or `overflow`: the first of the pages that have it. */
export interface LeafNode {
  readonly key: Buffer;
  readonly dataBytes: number;
  readonly data: Buffer | null;
  readonly overflow: { readonly page: number; readonly pages: number } | null;
}

/** A number of 8 bytes; what cannot be counted exactly is as good as infinite. */
function readU64(bytes: Buffer, at: number): number {
  const high = bytes.readUInt32LE(at + 4);
  const low = bytes.readUInt32LE(at);
  return high === 0xffffffff && low === 0xffffffff ? NO_PAGE : high * 2 ** 32 + low;
}

/** An open file. Whatever a sound file does not have is refused, by `demand`. */
export class LmdbFile {
  readonly sizeBytes: number;
  readonly pageBytes: number;
  /** The newest snapshot; the one that LMDB would open. */
  readonly meta: Meta;
  private readonly fd: number;

  constructor(path: string) {
    this.fd = openSync(path, "r");
    try {
      this.sizeBytes = fstatSync(this.fd).size;
      const first = this.read(0, META_BYTES);
      this.pageBytes = first.readUInt32LE(HEADER_BYTES + 24);
      demand(PAGE_BYTES.includes(this.pageBytes), "the page size is none");
      this.meta = newest(decodeMeta(first, 0), decodeMeta(this.read(this.pageBytes, META_BYTES), 1));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    closeSync(this.fd);
  }

  /** A branch or leaf page of the newest snapshot. */
  page(number: number, flag: number): Buffer {
    const page = this.read(number * this.pageBytes, this.pageBytes);
    this.checkHeader(page, number, flag);
    return page;
  }

  /** The data in a run of overflow pages. */
  overflow(page: number, pages: number, dataBytes: number): Buffer {
    // A shorter value may stand in the run of the longer one that it replaced.
    demand(HEADER_BYTES + dataBytes <= pages * this.pageBytes, `page ${page}: the value is longer than its run`);
    const run = this.read(page * this.pageBytes, HEADER_BYTES + dataBytes);
    this.checkHeader(run, page, PageFlag.overflow);
    demand(run.readUInt32LE(20) === pages, `page ${page}: the run's count is another`);
    return run.subarray(HEADER_BYTES);
  }

  branchNodes(page: Buffer): BranchNode[] {
    return this.nodes(page, (at) => {
      const child = page.readUInt32LE(at) + page.readUInt16LE(at + 4) * 2 ** 32;
      return { key: keyAt(page, at), child, bytes: 0 };
    });
  }

  leafNodes(page: Buffer): LeafNode[] {
    return this.nodes(page, (at) => {
      const flags = page.readUInt16LE(at + 4);
      const dataBytes = page.readUInt32LE(at);
      const key = keyAt(page, at);
      const dataAt = at + NODE_BYTES + key.length;
      demand((flags & ~BIG_DATA) === 0, "a node has flags that are never written");
      if (flags === 0) {
        demand(dataAt + dataBytes <= this.pageBytes, "a node leaves its page");
        return { key, dataBytes, data: page.subarray(dataAt, dataAt + dataBytes), overflow: null, bytes: dataBytes };
      }
      demand(dataAt + OVERFLOW_LINK_BYTES <= this.pageBytes, "a node leaves its page");
      demand(readU64(page, dataAt + 8) <= this.meta.transaction, "a value is from a transaction that never was");
      const overflow = { page: readU64(page, dataAt), pages: readU64(page, dataAt + 16) };
      return { key, dataBytes, data: null, overflow, bytes: OVERFLOW_LINK_BYTES };
    });
  }

  /** P1. `decode` says how many bytes of data stand in the page. */
  private nodes<T extends { readonly key: Buffer }>(page: Buffer, decode: (at: number) => T & { bytes: number }): T[] {
    const lower = page.readUInt16LE(20);
    const upper = page.readUInt16LE(22);
    demand(lower % 2 === 0 && upper % 2 === 0, "a page's bounds are odd");
    demand(lower <= upper && upper <= this.pageBytes - HEADER_BYTES, "a page's bounds leave it");
    const nodes: T[] = [];
    let bytes = 0;
    for (let slot = 0; slot < lower / 2; slot++) {
      const offset = page.readUInt16LE(HEADER_BYTES + 2 * slot);
      demand(offset >= upper && offset % 2 === 0, "a node lies in the free space");
      demand(HEADER_BYTES + offset + NODE_BYTES <= this.pageBytes, "a node leaves its page");
      const node = decode(HEADER_BYTES + offset);
      nodes.push(node);
      bytes += NODE_BYTES + node.key.length + node.bytes;
      bytes += bytes % 2;
    }
    demand(bytes === this.pageBytes - HEADER_BYTES - upper, "the nodes do not fill their page");
    return nodes;
  }

  private checkHeader(page: Buffer, number: number, flag: number): void {
    demand(readU64(page, 0) === number, `page ${number} calls itself another`);
    demand(readU64(page, 8) <= this.meta.transaction, `page ${number} is from a transaction that never was`);
    demand(page.readUInt16LE(18) === flag, `page ${number} is of another kind`);
  }

  /** P2 for places: reads inside the file only. */
  private read(position: number, bytes: number): Buffer {
    demand(position + bytes <= this.sizeBytes, `the file ends before byte ${position + bytes}`);
    const buffer = Buffer.allocUnsafe(bytes);
    let got = 0;
    while (got < bytes) {
      const count = readSync(this.fd, buffer, got, bytes - got, position + got);
      demand(count > 0, "the file has become shorter");
      got += count;
    }
    return buffer;
  }
}

function keyAt(page: Buffer, at: number): Buffer {
  const bytes = page.readUInt16LE(at + 6);
  demand(at + NODE_BYTES + bytes <= page.length, "a key leaves its page");
  return page.subarray(at + NODE_BYTES, at + NODE_BYTES + bytes);
}

function decodeMeta(page: Buffer, number: number): Meta {
  demand(readU64(page, 0) === number && page.readUInt16LE(18) === PageFlag.meta, `page ${number} is no meta page`);
  const meta = page.subarray(HEADER_BYTES);
  demand(
    meta.readUInt32LE(0) === MAGIC && meta.readUInt32LE(4) === DATA_VERSION,
    `meta page ${number} is of another format`,
  );
  const transaction = readU64(meta, 128);
  demand(Number.isSafeInteger(transaction), `meta page ${number} has no transaction`);
  demand(transaction === 0 || transaction % 2 === number, `meta page ${number} has the other one's transaction`);
  return {
    transaction,
    lastPage: readU64(meta, 120),
    mapBytes: readU64(meta, 16),
    free: decodeHead(meta, 24),
    main: decodeHead(meta, 72),
  };
}

function decodeHead(meta: Buffer, at: number): TreeHead {
  const root = readU64(meta, at + 40);
  return {
    pad: meta.readUInt32LE(at),
    flags: meta.readUInt16LE(at + 4),
    depth: meta.readUInt16LE(at + 6),
    branchPages: readU64(meta, at + 8),
    leafPages: readU64(meta, at + 16),
    overflowPages: readU64(meta, at + 24),
    entries: readU64(meta, at + 32),
    root: root === NO_PAGE ? null : root,
  };
}

/** What both meta pages must have in common, and the newer of them. */
function newest(even: Meta, odd: Meta): Meta {
  demand(even.free.pad === odd.free.pad, "the meta pages have different page sizes");
  demand(Math.abs(even.transaction - odd.transaction) <= 1, "the meta pages are not of two transactions in a row");
  return even.transaction >= odd.transaction ? even : odd;
}
