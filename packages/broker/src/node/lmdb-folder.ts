/**
 * lmdb-folder.ts: decides whether the LMDB file in a folder may be opened. `data.mdb` and `lock.mdb` are LMDB's, `session` is ours.
 *
 * The store holds only what checkpoint and log can rebuild, so it is never a reason not to start: what is doubtful is removed and begun empty.
 * Invariants:
 *   F1  LMDB opens a file only when it is new, or when `lmdb-check.ts` found it sound; so damage never reaches a memory map
 *   F2  a file from before a restart of the machine is used only when it was synced: `session` says `clean`, or names this boot of the machine. It is
 *       durable with the boot's name before LMDB writes, and says `clean` only after the file was synced at the end
 *   F3  LMDB opens nothing on a disk that is full: its lock file, which it maps for writing, has all its blocks before (or a write into the map ends
 *       the process with SIGBUS), and a new store has room for its first pages (without, LMDB itself crashes)
 */
import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { type Logger, VarveError } from "@varve/base";
import { type EntryCheck, lmdbProblem } from "./lmdb-check.js";

const CLEAN = "clean";
/** LMDB's lock file has 8,272 bytes; it takes a larger one as it is. */
const LOCK_BYTES = 12_288;
/** A new store begins only with so much space (F3). */
const NEW_STORE_BYTES = 256 * 1024;
/** What the system says of a full disk, and LMDB after it, in numbers. */
const NO_SPACE: readonly unknown[] = ["ENOSPC", "EDQUOT", 28];

export interface LmdbFolderOptions {
  readonly logger: Logger;
  /** A file larger than this is begun anew. */
  readonly bytesMax: number;
  /** Names this run of the machine. */
  readonly boot: string;
  readonly isEntry: EntryCheck;
}

export class LmdbFolder {
  readonly path: string;
  readonly dataFile: string;
  private readonly options: LmdbFolderOptions;

  constructor(path: string, options: LmdbFolderOptions) {
    this.path = path;
    this.dataFile = join(path, "data.mdb");
    this.options = options;
  }

  /**
   * Calls `openDatabase` on a folder that is sound or empty; what LMDB still refuses is begun anew, once.
   * @throws VarveError DATA_DIR_UNUSABLE when the folder cannot be written, DISK_FULL when there is no space for a store; never because of what
   * is in it.
   */
  open<T>(openDatabase: () => T): T {
    try {
      mkdirSync(this.path, { recursive: true, mode: 0o700 });
      const problem = this.problem();
      if (problem !== null) this.beginAnew(problem);
      this.makeRoom();
      if (this.session() !== this.options.boot) this.setSession(this.options.boot);
      try {
        return openDatabase();
      } catch (error) {
        if (isNoSpace(error)) throw error;
        this.beginAnew(wordsOf(error));
        this.makeRoom();
        this.setSession(this.options.boot);
        return openDatabase();
      }
    } catch (error) {
      if (isNoSpace(error)) {
        const message = `the disk of ${this.path} is full: there is no store until space is freed; its content stays in checkpoints and the log`;
        this.options.logger.error({ path: this.path, error: wordsOf(error) }, message);
        throw new VarveError("DISK_FULL", { message, details: { path: this.path }, cause: error });
      }
      const message = `the store in ${this.path} cannot be opened; check that the folder can be written`;
      throw new VarveError("DATA_DIR_UNUSABLE", { message, details: { path: this.path }, cause: error });
    }
  }

  /** LMDB has let go of the file: makes it durable, and says so for the next start. */
  closed(): void {
    withFile(this.dataFile, "r+", fdatasyncSync);
    this.setSession(CLEAN);
  }

  /** F3 @throws ENOSPC */
  private makeRoom(): void {
    const isNew = statSync(this.dataFile, { throwIfNoEntry: false }) === undefined;
    if (isNew) {
      const { bavail, bsize } = statfsSync(this.path);
      if (bavail * bsize < NEW_STORE_BYTES)
        throw Object.assign(new Error(`ENOSPC: ${bavail * bsize} bytes are free`), { code: "ENOSPC" });
    }
    const lockFile = join(this.path, "lock.mdb");
    const lock = statSync(lockFile, { throwIfNoEntry: false });
    if (lock?.isFile() === true && lock.size >= LOCK_BYTES && 512 * lock.blocks >= lock.size) return;
    rmSync(lockFile, { force: true, recursive: true });
    withFile(lockFile, "w", (fd) => writeAll(fd, Buffer.alloc(LOCK_BYTES)));
  }

  /** Why what is there must not be used, in words; null when it may, or nothing is there. */
  private problem(): string | null {
    const { bytesMax, boot, isEntry } = this.options;
    const stat = statSync(this.dataFile, { throwIfNoEntry: false });
    if (stat === undefined) return null;
    if (!stat.isFile()) return "data.mdb is no file";
    if (stat.size > bytesMax) return `data.mdb has ${stat.size} bytes, more than ${bytesMax}`;
    const session = this.session();
    if (session !== CLEAN && session !== boot) return "the machine stopped before the store was closed";
    try {
      return lmdbProblem(this.dataFile, isEntry);
    } catch (error) {
      return wordsOf(error);
    }
  }

  private beginAnew(problem: string): void {
    const { path } = this;
    const message = "a store cannot be used and begins empty; it is made anew from checkpoints and the log";
    this.options.logger.warn({ path, problem }, message);
    for (const name of ["data.mdb", "lock.mdb", "session"]) rmSync(join(path, name), { force: true, recursive: true });
  }

  private session(): string | null {
    try {
      return readFileSync(join(this.path, "session"), "latin1");
    } catch {
      return null;
    }
  }

  /** Durable, with its name, when it returns. One that a crash has cut is equal to nothing, so it counts as none. */
  private setSession(session: string): void {
    withFile(join(this.path, "session"), "w", (fd) => {
      writeSync(fd, session);
      fsyncSync(fd);
    });
    if (process.platform !== "win32") withFile(this.path, "r", fsyncSync);
  }
}

function withFile(path: string, flags: "r" | "r+" | "w", use: (fd: number) => void): void {
  const fd = openSync(path, flags, 0o600);
  try {
    use(fd);
  } finally {
    closeSync(fd);
  }
}

function isNoSpace(error: unknown): boolean {
  return error instanceof Error && "code" in error && NO_SPACE.includes(error.code);
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
