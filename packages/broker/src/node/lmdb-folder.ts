/**
 * lmdb-folder.ts: decides whether the LMDB file in a folder may be opened. `data.mdb` and `lock.mdb` are LMDB's, `session` is ours.
 *
 * The store holds only what checkpoint and log can rebuild, so it is never a reason not to start: what is doubtful is removed and begun empty.
 * Invariants:
 *   F1  LMDB opens a file only when it is new, or when `lmdb-check.ts` found it sound; so damage never reaches a memory map
 *   F2  a file from before a restart of the machine is used only when it was synced: `session` says `clean`, or names this boot of the machine. It is
 *       durable with the boot's name before LMDB writes, and says `clean` only after the file was synced at the end
 */
import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { type Logger, VarveError } from "@varve/base";
import { type EntryCheck, lmdbProblem } from "./lmdb-check.js";

const CLEAN = "clean";

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
   * @throws VarveError DATA_DIR_UNUSABLE when the folder cannot be written; never because of what is in it.
   */
  open<T>(openDatabase: () => T): T {
    try {
      mkdirSync(this.path, { recursive: true, mode: 0o700 });
      const problem = this.problem();
      if (problem !== null) this.beginAnew(problem);
      this.setSession(this.options.boot);
      try {
        return openDatabase();
      } catch (error) {
        this.beginAnew(wordsOf(error));
        return openDatabase();
      }
    } catch (error) {
      const message = `the store in ${this.path} cannot be opened; check that the folder can be written`;
      throw new VarveError("DATA_DIR_UNUSABLE", { message, details: { path: this.path }, cause: error });
    }
  }

  /** LMDB has let go of the file: makes it durable, and says so for the next start. */
  closed(): void {
    withFile(this.dataFile, "r+", fdatasyncSync);
    this.setSession(CLEAN);
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

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
