/** disk.ts: the real file system behind the Disk port. */
import {
  constants,
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  statfs,
  unlink,
} from "node:fs/promises";
import { type Disk, type DiskFile, VarveError } from "@varve/base";

class NodeFile implements DiskFile {
  private readonly handle: FileHandle;

  constructor(handle: FileHandle) {
    this.handle = handle;
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    let at = 0;
    while (at < target.length) {
      const { bytesRead } = await this.handle.read(target, at, target.length - at, position + at);
      if (bytesRead === 0) break;
      at += bytesRead;
    }
    return at;
  }

  async write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    let at = position;
    // The kernel takes 1,024 buffers at a time and may write fewer bytes than it was given.
    for (let first = 0; first < buffers.length; first += BUFFERS_MAX) {
      const group = buffers.slice(first, first + BUFFERS_MAX);
      const bytes = group.reduce((sum, buffer) => sum + buffer.length, 0);
      const { bytesWritten } = await this.handle.writev(group, at);
      if (bytesWritten < bytes) await this.writeRest(Buffer.concat(group).subarray(bytesWritten), at + bytesWritten);
      at += bytes;
    }
  }

  private async writeRest(rest: Buffer, position: number): Promise<void> {
    let at = 0;
    while (at < rest.length) {
      const { bytesWritten } = await this.handle.write(rest, at, rest.length - at, position + at);
      at += bytesWritten;
    }
  }

  sync(): Promise<void> {
    return this.handle.sync();
  }

  truncate(bytes: number): Promise<void> {
    return this.handle.truncate(bytes);
  }

  async size(): Promise<number> {
    return (await this.handle.stat()).size;
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}

const BUFFERS_MAX = 1_024;
const FLAGS = {
  read: constants.O_RDONLY,
  readwrite: constants.O_RDWR,
  create: constants.O_RDWR | constants.O_CREAT,
} as const;

export const nodeDisk: Disk = {
  async open(path, mode) {
    return new NodeFile(await open(path, FLAGS[mode], 0o600));
  },
  async list(path) {
    try {
      return (await readdir(path)).sort();
    } catch (error) {
      if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return [];
      throw error;
    }
  },
  async makeDir(path) {
    try {
      await mkdir(path, { recursive: true, mode: 0o700 });
    } catch (cause) {
      throw new VarveError("DATA_DIR_UNUSABLE", {
        message: `folder ${path} cannot be made (${codeOf(cause)}); nothing was changed; check the path and its permissions`,
        details: { dataDir: path },
        cause,
      });
    }
  },
  rename: (from, to) => rename(from, to),
  remove: (path) => unlink(path),
  removeDir: (path) => rm(path, { recursive: true, force: true }),
  async syncDir(path) {
    const handle = await open(path, constants.O_RDONLY);
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
  lock,
};

/**
 * A file with the holder's process id and the time that process started. A killed process leaves the file; it counts only while
 * that very process lives, so a restart needs no clean-up.
 */
async function lock(path: string): Promise<{ release(): Promise<void> }> {
  const file = `${path}/lock`;
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      const handle = await open(file, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
      await handle.write(`${process.pid} ${await startOf(process.pid)}\n`);
      await handle.close();
      locked.add(file);
      return {
        release: async () => {
          locked.delete(file);
          await unlink(file).catch(() => {});
        },
      };
    } catch (cause) {
      if (codeOf(cause) !== "EEXIST") {
        throw new VarveError("DATA_DIR_UNUSABLE", {
          message: `data directory ${path} cannot be written (${codeOf(cause)}); nothing was changed; check its owner and permissions`,
          details: { dataDir: path },
          cause,
        });
      }
      const [pid = "", start = ""] = (await readFile(file, "utf8").catch(() => "")).trim().split(" ");
      if (await isHeld(file, Number(pid), start)) {
        throw new VarveError("DATA_DIR_UNUSABLE", {
          message: `data directory ${path} is in use by process ${pid}; nothing was changed; stop that broker, or give this one a folder of its own`,
          details: { dataDir: path, pid: Number(pid) },
        });
      }
      await unlink(file).catch(() => {});
    }
  }
  throw new VarveError("DATA_DIR_UNUSABLE", {
    message: `data directory ${path} could not be locked: others try at the same time`,
  });
}

/** Locks of this process: two brokers in one process must not share a folder either. */
const locked = new Set<string>();

async function isHeld(file: string, pid: number, start: string): Promise<boolean> {
  if (pid === process.pid) return locked.has(file);
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) === "EPERM";
  }
  const now = await startOf(pid);
  return now === "" || start === "" || now === start;
}

/** When a process started, in the kernel's ticks; empty where the system does not say. */
async function startOf(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown";
}
