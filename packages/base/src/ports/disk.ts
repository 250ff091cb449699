/**
 * disk.ts: the port to files other than the write-ahead log's flushes. As thin as the system calls it stands for.
 *
 * Invariants of every implementation:
 *   D1  what is written survives a power cut only after `sync` of that file; until then any part of it may
 *   D2  a new, renamed or removed name survives a power cut only after `syncDir` of its folder; until then it may or may not
 *   D3  a failed `sync` is final: the caller must not try again, since the system may have dropped what it could not write
 * Failures reject with the system's own error (`code` as in errno); only `lock` rejects with a VarveError.
 */

/** Memory as a caller may hand it over: views are read or filled, never kept after the promise settles. */
export interface DiskFile {
  /** Bytes read at `position` into `target`; fewer than `target.length` only at the end of the file. */
  read(target: Uint8Array, position: number): Promise<number>;
  /** Writes all buffers one after another, the first at `position`. Resolves when the system has them (D1). */
  write(buffers: readonly Uint8Array[], position: number): Promise<void>;
  /** Content and size are durable when it resolves. */
  sync(): Promise<void>;
  /** Cuts the file, or extends it with zeros; durable after `sync`. */
  truncate(bytes: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

/** A folder that belongs to this process until `release`, or until the process is gone. */
export interface DiskLock {
  release(): Promise<void>;
}

export interface Disk {
  /** `create` makes the file when it is absent and reads and writes it; the others reject with ENOENT. */
  open(path: string, mode: "read" | "readwrite" | "create"): Promise<DiskFile>;
  /** Names in a folder, sorted; none when the folder is absent. */
  list(path: string): Promise<string[]>;
  /** Makes a folder and those above it. Its name is durable after `syncDir` of the one above. */
  makeDir(path: string): Promise<void>;
  /** Gives a file another name in the same folder; replaces what had that name. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file; nothing happens when it is absent. */
  remove(path: string): Promise<void>;
  /** Removes a folder with all that is in it; nothing happens when it is absent. */
  removeDir(path: string): Promise<void>;
  syncDir(path: string): Promise<void>;
  /** Bytes that may still be written to the file system of `path`. */
  freeBytes(path: string): Promise<number>;
  /**
   * Takes a folder for this process.
   * @throws VarveError DATA_DIR_UNUSABLE: another process has it; the message and `details.pid` say which one.
   */
  lock(path: string): Promise<DiskLock>;
}
