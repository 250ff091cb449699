/**
 * lock.ts: keeps two brokers out of one data directory.
 *
 * Node has no flock. On Linux the lock is a listening socket in the abstract namespace, named by the directory's device and
 * inode: only one process can bind the name, and the kernel frees it when that process is gone, however it ended, so there is no
 * stale lock to judge. The file `lock` beside it only names the owner for the message. The name is visible in one network
 * namespace: two containers that share a directory are not kept apart. On other systems the file itself is the lock, and counts
 * while the process that it names is alive.
 */
import { readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { type DiskLock, VarveError } from "@varve/base";
import { isNoSpace } from "../log/space.js";

const LOCK_FILE = "lock";

/** See Disk.lock. */
export async function lockDirectory(path: string): Promise<DiskLock> {
  const lock = process.platform === "linux" ? await lockBySocket(path) : await lockByFile(path);
  return lock;
}

async function lockBySocket(path: string): Promise<DiskLock> {
  const { dev, ino } = await stat(path);
  const server = await listen(`\0varve-data-${dev}-${ino}`).catch(async (error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "EADDRINUSE")
      throw locked(path, await ownerOf(path));
    throw error;
  });
  // On a full disk the message to the next one lacks the owner; the lock holds.
  await writeFile(`${path}/${LOCK_FILE}`, `${process.pid}\n`, { mode: 0o600 }).catch((error: unknown) => {
    if (!isNoSpace(error)) throw error;
  });
  return {
    async release() {
      await rm(`${path}/${LOCK_FILE}`, { force: true });
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function listen(name: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", reject);
    server.listen({ path: name }, () => resolve(server));
    server.unref();
  });
}

async function lockByFile(path: string): Promise<DiskLock> {
  const file = `${path}/${LOCK_FILE}`;
  const pid = await ownerOf(path);
  if (pid !== null && isAlive(pid)) throw locked(path, pid);
  await rm(file, { force: true });
  await writeFile(file, `${process.pid}\n`, { flag: "wx", mode: 0o600 });
  return { release: () => rm(file, { force: true }) };
}

async function ownerOf(path: string): Promise<number | null> {
  const text = await readFile(`${path}/${LOCK_FILE}`, "utf8").catch(() => "");
  const pid = Number.parseInt(text, 10);
  return Number.isInteger(pid) && pid > 0 ? pid : null;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

function locked(path: string, pid: number | null): VarveError {
  const owner = pid === null ? "another process" : `process ${pid}`;
  return new VarveError("DATA_DIR_UNUSABLE", {
    message: `data directory ${path} is in use by ${owner}; stop that broker, or give this one a directory of its own`,
    details: { dataDir: path, pid },
  });
}
