/**
 * file-cache.ts: open files for reading, shared by all logs and bounded.
 */
import type { Disk, DiskFile } from "@varve/base";

/** Files kept open; one more closes the one that was used longest ago. */
const OPEN_FILES_MAX = 256;

interface Opened {
  readonly file: Promise<DiskFile>;
  users: number;
  isForgotten: boolean;
}

export class FileCache {
  private readonly disk: Disk;
  private readonly opened = new Map<string, Opened>();

  constructor(disk: Disk) {
    this.disk = disk;
  }

  /** Runs `use` with the file open for reading; it is not closed meanwhile. */
  async with<T>(path: string, use: (file: DiskFile) => Promise<T>): Promise<T> {
    const entry = this.take(path);
    entry.users++;
    try {
      return await use(await entry.file);
    } catch (error) {
      this.forget(path);
      throw error;
    } finally {
      entry.users--;
      if (entry.isForgotten && entry.users === 0) close(entry);
    }
  }

  /** Closes the file as soon as nobody uses it, for example because it is removed. */
  forget(path: string): void {
    const entry = this.opened.get(path);
    if (entry === undefined) return;
    this.opened.delete(path);
    entry.isForgotten = true;
    if (entry.users === 0) close(entry);
  }

  closeAll(): void {
    for (const path of [...this.opened.keys()]) this.forget(path);
  }

  private take(path: string): Opened {
    const known = this.opened.get(path);
    const entry = known ?? { file: this.disk.open(path, "read"), users: 0, isForgotten: false };
    this.opened.delete(path);
    this.opened.set(path, entry);
    const oldest = this.opened.keys().next();
    if (this.opened.size > OPEN_FILES_MAX && oldest.done !== true) this.forget(oldest.value);
    return entry;
  }
}

function close(entry: Opened): void {
  // A file that could not be opened has nothing to close, and its opener has the error.
  entry.file.then((file) => file.close()).catch(() => undefined);
}
