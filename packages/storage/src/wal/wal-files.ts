/**
 * wal-files.ts: the files of the write-ahead log: which are live, which may go, and the next one made ready in time.
 *
 * A file goes spare -> current -> live -> retired -> pool -> spare again, or is removed.
 * Invariants:
 *   A1  files are let go strictly oldest first, and only when nothing in them is needed (no references)
 *   A2  a file leaves the disk only after a durable flush has named a younger one as the oldest live file
 *   A4  a new file that the disk has no space for is tried again later; meanwhile the WAL stands still when the current one is full
 *   A3  a file that is written to has its full size and its name on disk already, so a flush changes neither
 */
import { assert, assertDefined, type Disk } from "@varve/base";
import { digits20 } from "../bytes.js";
import { isMissingFile } from "../log/checkpoint.js";
import { isNoSpace, noSpace, type SpaceQueue } from "../log/space.js";

/** One file that may hold flushes. */
export interface WalFile {
  readonly number: number;
  readonly path: string;
  readonly bytes: number;
  /** Records in it that are still needed. */
  references: number;
  /** Damage was found in it: it is put aside for a person to look at, never used again. */
  isDamaged: boolean;
}

/** Freed files that wait to be used again; more are removed. */
export const POOL_FILES_MAX = 2;
const ZERO_CHUNK_BYTES = 1024 * 1024;
/** Size of the very first file: a new broker shall not wait for zeros. */
export const FIRST_FILE_BYTES = 1024 * 1024;

/** End of the name of a file that is being made: under its own name it has its full size, so that one that has not was cut. */
export const UNFINISHED = ".new";

const FILE_NAME = /^(\d{20})\.wal$/;

/** The number in a WAL file's name, or null when it is no such name. */
export function walFileNumber(name: string): number | null {
  const match = FILE_NAME.exec(name);
  return match === null ? null : Number(match[1]);
}

export interface WalFilesOptions {
  readonly dir: string;
  readonly disk: Disk;
  readonly fileBytes: number;
  readonly onFatal: (error: Error) => void;
  readonly space: SpaceQueue;
}

export class WalFiles {
  private readonly options: WalFilesOptions;
  private readonly live: WalFile[];
  private readonly retired: WalFile[] = [];
  private readonly pool: WalFile[];
  private spare: WalFile | null = null;
  private preparing: Promise<void> | null = null;
  private isClosed = false;

  /** @param live files that hold flushes, oldest first. @param pool files that hold nothing that matters. */
  constructor(options: WalFilesOptions, live: readonly WalFile[], pool: readonly WalFile[]) {
    const current = assertDefined(live[live.length - 1], "a WAL has a file");
    for (const file of pool) assert(file.number < current.number, "a freed file is older than the one in use");
    this.options = options;
    this.live = [...live];
    this.pool = [...pool];
  }

  get count(): number {
    return this.live.length + this.retired.length + this.pool.length + (this.spare === null ? 0 : 1);
  }

  get liveCount(): number {
    return this.live.length;
  }

  /** Number of the oldest file that recovery would need. */
  oldest(): number {
    return assertDefined(this.live[0], "a WAL has a file").number;
  }

  current(): WalFile {
    return assertDefined(this.live[this.live.length - 1], "a WAL has a file");
  }

  /** Live files that are written to no more, and sound as far as is known. */
  complete(): readonly WalFile[] {
    return this.live.slice(0, -1).filter((file) => !file.isDamaged);
  }

  /** The live file of this number; null: there is none. */
  find(number: number): WalFile | null {
    return this.live.find((file) => file.number === number) ?? null;
  }

  /** Whether a start would read it: it is live, or no durable flush has said yet that it is not. */
  isHeld(number: number): boolean {
    return [...this.retired, ...this.live].some((file) => file.number === number);
  }

  /** Damage was found in a live file; false: it is none any more. */
  noteDamage(number: number): boolean {
    const file = this.find(number);
    if (file === null) return false;
    file.isDamaged = true;
    return true;
  }

  retain(number: number): void {
    this.byNumber(number).references++;
  }

  release(number: number): void {
    const file = this.byNumber(number);
    assert(file.references > 0, "a reference is released once");
    file.references--;
  }

  private byNumber(number: number): WalFile {
    return assertDefined(
      this.live.find((file) => file.number === number),
      "A1: a file with references is live",
    );
  }

  /** Lets go of what nobody needs. Only between flushes: what was placed must be durable before what it replaces goes (A1). */
  retire(): void {
    while (this.live.length > 1 && this.live[0]?.references === 0) {
      const file = this.live.shift();
      if (file !== undefined) this.retired.push(file);
    }
  }

  /** A durable flush has named `oldest` as the oldest live file (A2). */
  async freeBelow(oldest: number): Promise<void> {
    while (this.retired[0] !== undefined && this.retired[0].number < oldest) {
      const file = this.retired.shift();
      assert(file !== undefined, "the first retired file is there");
      if (file.isDamaged) await this.putAside(file.path);
      else if (this.pool.length < POOL_FILES_MAX && file.bytes >= this.options.fileBytes) this.pool.push(file);
      else await this.options.disk.remove(file.path);
    }
  }

  /** One that is gone altogether has nothing to look at. */
  private async putAside(path: string): Promise<void> {
    await this.options.disk.rename(path, `${path}.damaged`).catch((error: unknown) => {
      if (!isMissingFile(error)) throw error;
    });
  }

  /** Nothing is made ready any more; what is under way stops by itself, and tells nobody when it fails. */
  close(): void {
    this.isClosed = true;
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    await this.preparing;
  }

  /** The next file if it is ready; makes it the current one. */
  advance(): WalFile | null {
    const next = this.spare;
    if (next === null) return null;
    assert(next.number === this.current().number + 1, "file numbers count up by 1");
    this.live.push(next);
    this.spare = null;
    return next;
  }

  /** Gets the next file ready in the background; resolves when `advance` will give it. */
  prepare(): Promise<void> {
    if (this.spare !== null) return Promise.resolve();
    this.preparing ??= this.makeSpare()
      .catch((error: unknown) => {
        if (!this.isClosed) this.options.onFatal(error instanceof Error ? error : new Error(String(error)));
      })
      .finally(() => {
        this.preparing = null;
      });
    return this.preparing;
  }

  private async makeSpare(): Promise<void> {
    const { dir, disk, fileBytes, space } = this.options;
    const number = this.current().number + 1;
    const path = `${dir}/${digits20(number)}.wal`;
    let bytes = await this.reuse(path);
    if (bytes === null) {
      const isOver = (): boolean => this.isClosed;
      await space.whenSpace(isOver, () => createIfItFits(disk, dir, path, fileBytes));
      if (this.isClosed) return;
      bytes = fileBytes;
    }
    await disk.syncDir(dir);
    this.spare = { number, path, bytes, references: 0, isDamaged: false };
  }

  /** Gives a freed file the name of the next one: its size; null when there is none. One that somebody has removed held nothing that counts. */
  private async reuse(path: string): Promise<number | null> {
    for (let old = this.pool.shift(); old !== undefined; old = this.pool.shift()) {
      try {
        await this.options.disk.rename(old.path, path);
        return old.bytes;
      } catch (error) {
        if (!isMissingFile(error)) throw error;
      }
    }
    return null;
  }
}

/** An attempt without hope would take the last space from those who need less; one that failed gives back what it took. */
async function createIfItFits(disk: Disk, dir: string, path: string, bytes: number): Promise<void> {
  const freeBytes = await disk.freeBytes(dir);
  if (freeBytes < bytes) throw noSpace(`${path} needs ${bytes} bytes, and ${freeBytes} are free`);
  const unfinished = `${path}${UNFINISHED}`;
  try {
    await createZeroFile(disk, unfinished, bytes);
  } catch (error) {
    if (isNoSpace(error)) await disk.remove(unfinished);
    throw error;
  }
  await disk.rename(unfinished, path);
}

/** Makes a file of zeros with its blocks allocated, durable except for its name. */
export async function createZeroFile(disk: Disk, path: string, bytes: number): Promise<void> {
  const file = await disk.open(path, "create");
  try {
    await file.truncate(0);
    const zeros = new Uint8Array(Math.min(bytes, ZERO_CHUNK_BYTES));
    for (let at = 0; at < bytes; at += zeros.length) {
      await file.write([zeros.subarray(0, Math.min(zeros.length, bytes - at))], at);
    }
    await file.sync();
  } finally {
    await file.close();
  }
}
