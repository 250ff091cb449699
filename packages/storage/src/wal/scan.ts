/**
 * scan.ts: finds the flushes of one WAL file without trusting anything in it.
 *
 * A flush header counts when its magic, WAL id, own checksum and file number are right. The file number tells the flushes of this
 * use of the file from those of an earlier one. Where no header stands, the search goes on block by block to the end of the file.
 */
import { assert, type Disk, type DiskFile } from "@varve/base";
import type { Checksum } from "../frame/payload.js";
import {
  FLUSH_HEADER_BYTES,
  type FlushHeader,
  flushHeaderBytes,
  readFlushHeader,
  WAL_BLOCK_BYTES,
} from "./flush-format.js";

/** Where a flush lies; its body has not been looked at. */
export interface FoundFlush {
  readonly path: string;
  readonly position: number;
  readonly header: FlushHeader;
}

export interface ScannedFile {
  readonly path: string;
  readonly number: number;
  readonly bytes: number;
  readonly flushes: readonly FoundFlush[];
}

/** Reads at most this much at once while it searches. */
const WINDOW_BYTES = 256 * 1024;

export async function scanWalFile(
  disk: Disk,
  path: string,
  number: number,
  walId: Uint8Array,
  checksum: Checksum,
): Promise<ScannedFile> {
  const file = await disk.open(path, "read");
  try {
    const bytes = await file.size();
    const flushes: FoundFlush[] = [];
    const window = new Window(file);
    for (let position = 0; position + FLUSH_HEADER_BYTES <= bytes; ) {
      const header = await headerAt(window, position, bytes, walId, checksum);
      if (header === null || header.fileNumber !== number) {
        position += WAL_BLOCK_BYTES;
        continue;
      }
      flushes.push({ path, position, header });
      assert(header.totalBytes >= WAL_BLOCK_BYTES, "a flush has at least one block");
      position += header.totalBytes;
    }
    return { path, number, bytes, flushes };
  } finally {
    await file.close();
  }
}

async function headerAt(
  window: Window,
  position: number,
  fileBytes: number,
  walId: Uint8Array,
  checksum: Checksum,
): Promise<FlushHeader | null> {
  const fixed = await window.bytes(position, FLUSH_HEADER_BYTES);
  const needed = flushHeaderBytes(fixed, walId);
  if (needed === null || position + needed > fileBytes) return null;
  return readFlushHeader(await window.bytes(position, needed), checksum);
}

/**
 * Bodies of flushes that are asked for in order, or nearly so: one file is open at a time, and read in windows. Thousands of small flushes would
 * otherwise cost an open, a read and a close each, most of a start.
 */
export class FlushBodies {
  private readonly disk: Disk;
  private open: { readonly path: string; readonly file: DiskFile; readonly window: Window } | null = null;

  constructor(disk: Disk) {
    this.disk = disk;
  }

  /** Memory of its own; shorter than the header says when the file ends before. */
  async of({ path, position, header }: FoundFlush): Promise<Uint8Array> {
    const start = position + FLUSH_HEADER_BYTES + 8 * header.groups.length;
    const window = await this.windowAt(path, start);
    return (await window.bytes(start, header.bodyBytes)).slice();
  }

  async close(): Promise<void> {
    const { open } = this;
    this.open = null;
    await open?.file.close();
  }

  private async windowAt(path: string, position: number): Promise<Window> {
    if (this.open?.path === path && position >= this.open.window.firstByte) return this.open.window;
    await this.close();
    const file = await this.disk.open(path, "read");
    const window = new Window(file);
    this.open = { path, file, window };
    return window;
  }
}

/** A view into a file that moves forward. */
class Window {
  private readonly file: DiskFile;
  private start = 0;
  private content = new Uint8Array(0);

  constructor(file: DiskFile) {
    this.file = file;
  }

  /** It shows nothing before this one. */
  get firstByte(): number {
    return this.start;
  }

  async bytes(position: number, length: number): Promise<Uint8Array> {
    assert(position >= this.start, "the window moves forward only");
    if (position + length > this.start + this.content.length) {
      const buffer = new Uint8Array(Math.max(WINDOW_BYTES, length));
      this.content = buffer.subarray(0, await this.file.read(buffer, position));
      this.start = position;
    }
    return this.content.subarray(position - this.start, position - this.start + length);
  }
}
