/**
 * preload.ts: builds the fault library and steers it: errors, delays, hangs and short transfers of a process's file calls, and a journal of
 * what a power cut would take back (`power-cut.ts`).
 *
 * The library is compiled with the machine's C compiler into a folder of the caller's; `preloadProblem` says why it cannot be used here.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const SOURCES = ["preload.c", "rules.c", "power.c"];

/** Calls that a rule can hit; `sync` is fsync and fdatasync, also of folders. */
export type FileCall = "open" | "read" | "write" | "sync" | "truncate" | "rename" | "unlink" | "any";

export type FileFault =
  | { readonly kind: "error"; readonly code: "EIO" | "ENOSPC" | "EACCES" }
  | { readonly kind: "delay"; readonly ms: number }
  /** Until the rule is taken away. */
  | { readonly kind: "hang" }
  /** A read or write moves at most this many bytes. */
  | { readonly kind: "short"; readonly bytes: number }
  /** A sync does nothing and says that it worked, as a disk with a false cache does. For negative controls. */
  | { readonly kind: "lie" }
  /** SIGKILL of the process itself, before the call. */
  | { readonly kind: "kill" };

export interface FaultRule {
  /** Names the rule; its count of calls lives as long as the process. Letters, digits, dashes; at most 31. */
  readonly id: string;
  readonly call: FileCall;
  /** Part of the path by which the file was opened; "*": every file. */
  readonly path: string;
  /** Calls that pass first; default 0. */
  readonly skip?: number;
  /** Calls that are hit then; default: all. */
  readonly count?: number;
  readonly fault: FileFault;
}

/** Why the library cannot be built or used on this machine, in words for a skipped test; null: it can. */
export function preloadProblem(): string | null {
  if (process.platform !== "linux") return `faults are injected by LD_PRELOAD, which ${process.platform} does not have`;
  try {
    execFileSync("cc", ["--version"], { stdio: "ignore" });
    return null;
  } catch {
    return "there is no C compiler (cc) to build the fault library with";
  }
}

/**
 * Builds the library into `folder`; returns its path. @throws when the compiler fails, with what it said.
 * @param sources where the C files are: beside this file, unless this is a compiled copy of it.
 */
export function buildPreload(folder: string, sources: URL = new URL(".", import.meta.url)): string {
  mkdirSync(folder, { recursive: true });
  const library = join(folder, "faults.so");
  const flags = ["-Wall", "-Wextra", "-Werror", "-O2", "-shared", "-fPIC", "-pthread"];
  const files = SOURCES.map((name) => fileURLToPath(new URL(name, sources)));
  execFileSync("cc", [...flags, "-o", library, ...files, "-ldl"], { encoding: "utf8", stdio: "pipe" });
  return library;
}

/** What hit what. */
export interface FaultHit {
  readonly pid: number;
  readonly rule: string;
  readonly call: string;
  readonly path: string;
}

/** Steers the faults of the processes that were started with its environment. */
export class FaultControl {
  private readonly library: string;
  private readonly control: string;

  /** @param folder of the control file; made here. @param library from `buildPreload`. */
  constructor(library: string, folder: string) {
    mkdirSync(folder, { recursive: true });
    this.library = library;
    this.control = join(folder, "rules");
    this.set([]);
  }

  /** Environment for a process that shall be under this control. `power`: journal what a power cut would take back. */
  env(power?: { readonly folder: string; readonly paths: readonly string[] }): Record<string, string> {
    const env = { LD_PRELOAD: this.library, PRELOAD_CONTROL: this.control, UV_USE_IO_URING: "0" };
    if (power === undefined) return env;
    mkdirSync(power.folder, { recursive: true });
    return { ...env, PRELOAD_POWER_DIR: power.folder, PRELOAD_POWER_PATHS: power.paths.join(":") };
  }

  /** Replaces all rules; holds for each call that begins when this has returned. */
  set(rules: readonly FaultRule[]): void {
    writeFileSync(`${this.control}.next`, rules.map(lineOf).join(""));
    renameSync(`${this.control}.next`, this.control);
  }

  clear(): void {
    this.set([]);
  }

  /** All hits since the beginning, of all processes. */
  hits(rule?: string): FaultHit[] {
    const lines = readIfThere(`${this.control}.hits`).split("\n");
    const hits = lines.flatMap((line) => {
      const [, pid, id, call, path] = /^(\d+) (\S+) (\S+) (.*)$/.exec(line) ?? [];
      return id === undefined || call === undefined || path === undefined
        ? []
        : [{ pid: Number(pid), rule: id, call, path }];
    });
    return rule === undefined ? hits : hits.filter((hit) => hit.rule === rule);
  }
}

function lineOf({ id, call, path, skip = 0, count = 0, fault }: FaultRule): string {
  return `${id} ${call} ${skip} ${count} ${fault.kind} ${valueIn(fault)} ${path}\n`;
}

function valueIn(fault: FileFault): number {
  switch (fault.kind) {
    case "error":
      return constants.errno[fault.code];
    case "delay":
      return fault.ms;
    case "short":
      return fault.bytes;
    case "hang":
    case "lie":
    case "kill":
      return 0;
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
