/**
 * dev-lock.ts: at most one `varve dev` per folder. The lock is a file that names its process; it holds as long as that process lives.
 *
 * A killed owner leaves the file behind, and its process number may be in use again: the file therefore also holds the process's
 * start time where the system tells it (Linux: field 22 of /proc/PID/stat, proc(5)).
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { VarveError } from "@varve/base";

const NAME = "dev.lock";

/**
 * Creates `folder` when it is absent and takes its lock; the answer gives the lock back.
 * @throws VarveError DATA_DIR_UNUSABLE when another process has it, or nothing can be written there.
 */
export function lockDevFolder(folder: string): () => void {
  try {
    mkdirSync(folder, { recursive: true });
    return lock(folder);
  } catch (error) {
    if (error instanceof VarveError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new VarveError("DATA_DIR_UNUSABLE", {
      message: `${folder} cannot be used: ${reason}; choose another --data-dir`,
      details: { folder },
      cause: error,
    });
  }
}

function lock(folder: string): () => void {
  const path = join(folder, NAME);
  const mine = `${process.pid} ${startTime(process.pid)}\n`;
  if (!tryCreate(path, mine)) {
    const owner = livingOwner(path);
    if (owner !== null) throw heldBy(folder, owner);
    rmSync(path, { force: true });
    if (!tryCreate(path, mine)) throw heldBy(folder, livingOwner(path));
  }
  return () => rmSync(path, { force: true });
}

function tryCreate(path: string, text: string): boolean {
  try {
    writeFileSync(path, text, { flag: "wx" });
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

/** The process that holds the lock; null when it is gone. */
function livingOwner(path: string): number | null {
  const [pidText = "", startedAt = ""] = readOrEmpty(path).trim().split(" ");
  const pid = Number(pidText);
  if (!Number.isSafeInteger(pid) || pid < 1) return null;
  return isAlive(pid) && startTime(pid) === startedAt ? pid : null;
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** When the process started, in clock ticks since boot; "-" where the system does not say. */
function startTime(pid: number): string {
  const stat = readOrEmpty(`/proc/${pid}/stat`);
  // The second field is the program's name in parentheses, which may hold blanks; the third follows it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[19] ?? "-";
}

function heldBy(folder: string, pid: number | null): VarveError {
  const owner = pid === null ? "another varve dev" : `another varve dev (process ${pid})`;
  return new VarveError("DATA_DIR_UNUSABLE", {
    message: `${owner} runs on ${folder}; stop it, or choose another --data-dir and --port`,
    details: { folder, pid },
  });
}
