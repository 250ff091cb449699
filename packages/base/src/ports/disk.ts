/**
 * disk.ts: the port to files other than the write-ahead log. As thin as the system calls it stands for.
 *
 * What is written is durable only after `sync` of the file, a new or renamed or removed name only after `syncDir` of its folder.
 */

export interface DiskFile {
  /** Bytes read at `position` into `target`; fewer than asked for only at the end of the file. */
  read(target: Uint8Array, position: number): Promise<number>;
  /** Writes all buffers one after another, the first at `position`. */
  write(buffers: readonly Uint8Array[], position: number): Promise<void>;
  /** The content and the size are durable when it resolves. A failure is final: never try again. */
  sync(): Promise<void>;
  truncate(bytes: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

export interface Disk {
  /** `create`: makes the file when it is absent. */
  open(path: string, mode: "read" | "readwrite" | "create"): Promise<DiskFile>;
  /** Names in a folder, sorted; empty when it is absent. */
  list(path: string): Promise<string[]>;
  makeDir(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Removes a folder with all that is in it. */
  removeDir(path: string): Promise<void>;
  syncDir(path: string): Promise<void>;
  /** Bytes that may still be written to the file system of `path`. */
  freeBytes(path: string): Promise<number>;
  /** Takes the folder for this process until `release`. @throws VarveError DATA_DIR_UNUSABLE: another process has it. */
  lock(path: string): Promise<{ release(): Promise<void> }>;
}
