/**
 * disk.ts: the file system of this machine behind the Disk port.
 *
 * Asynchronous calls of the thread pool; partial writes are continued, a short read is the end of the file.
 */
import { constants, type FileHandle, mkdir, open, readdir, rename, rm, statfs } from "node:fs/promises";
import type { Disk, DiskFile } from "@varve/base";
import { lockDirectory } from "./lock.js";

/** Buffers of one system call; the system takes at most 1,024. */
const BUFFERS_MAX = 512;
const FLAGS = { read: constants.O_RDONLY, readwrite: constants.O_RDWR, create: constants.O_RDWR | constants.O_CREAT };

class NodeFile implements DiskFile {
  private readonly handle: FileHandle;
  private readonly path: string;

  constructor(handle: FileHandle, path: string) {
    this.handle = handle;
    this.path = path;
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    let total = 0;
    while (total < target.length) {
      const part = this.handle.read(target, total, target.length - total, position + total);
      const { bytesRead } = await this.named(part);
      if (bytesRead === 0) break;
      total += bytesRead;
    }
    return total;
  }

  async write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    let at = position;
    for (let start = 0; start < buffers.length; start += BUFFERS_MAX)
      at += await this.writeSome(buffers.slice(start, start + BUFFERS_MAX), at);
  }

  private async writeSome(buffers: readonly Uint8Array[], position: number): Promise<number> {
    let rest = buffers;
    let written = 0;
    while (rest.length > 0) {
      const { bytesWritten } = await this.named(this.handle.writev([...rest], position + written));
      written += bytesWritten;
      rest = after(rest, bytesWritten);
    }
    return written;
  }

  sync(): Promise<void> {
    return this.named(this.handle.sync());
  }

  truncate(bytes: number): Promise<void> {
    return this.named(this.handle.truncate(bytes));
  }

  async size(): Promise<number> {
    return (await this.handle.stat()).size;
  }

  close(): Promise<void> {
    return this.handle.close();
  }

  /** What the system says of a descriptor does not name the file. */
  private async named<T>(call: Promise<T>): Promise<T> {
    try {
      return await call;
    } catch (error) {
      if (error instanceof Error) error.message += ` '${this.path}'`;
      throw error;
    }
  }
}

/** What is left of the buffers after their first `bytes` bytes. */
function after(buffers: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  let skip = bytes;
  for (const [at, buffer] of buffers.entries()) {
    if (skip < buffer.length) return [buffer.subarray(skip), ...buffers.slice(at + 1)];
    skip -= buffer.length;
  }
  return [];
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

/** The disk of this machine. Stateless: one for the whole process. */
export const nodeDisk: Disk = {
  open: async (path, mode) => new NodeFile(await open(path, FLAGS[mode], 0o600), path),
  async list(path) {
    try {
      return (await readdir(path)).sort();
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  },
  async makeDir(path) {
    await mkdir(path, { recursive: true, mode: 0o700 });
  },
  rename,
  remove: (path) => rm(path, { force: true }),
  removeDir: (path) => rm(path, { force: true, recursive: true }),
  async syncDir(path) {
    const handle = await open(path, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  async freeBytes(path) {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  },
  lock: lockDirectory,
};
