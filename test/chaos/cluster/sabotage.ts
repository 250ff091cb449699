/**
 * sabotage.ts: what is done to a broker from inside its process, by libraries that are loaded before all others: files that fail, power that is
 * cut, a wall clock that jumps.
 *
 * Only on Linux with a C compiler. Files and power: test/faults/README.md. The clock: preload/clock.c.
 */
import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { assertDefined } from "@varve/base";
import { cutPower, type PowerCutReport } from "../../faults/power-cut.js";
import { buildPreload, FaultControl, type FaultRule, preloadProblem } from "../../faults/preload.js";

/** The compiled copy of this file is four folders deeper than the sources' folder, test. */
const TEST_FOLDER = new URL("../../../../", import.meta.url);
/** What a power cut takes back; not the state store, which may vanish at any time and is removed instead. */
const POWER_PATHS = ["/wal", "/topics", "/node.json", "/note.json"];
const CLOCK_BYTES = 8;

/** `files` fail or are slow, `power` is cut, the `clock` jumps. */
export type Power = "files" | "power" | "clock";

/** Why there is none of it on this machine; null: there is. */
export function sabotageProblem(): string | null {
  return preloadProblem();
}

/** The libraries that a run needs. */
export class Libraries {
  readonly files: string | null;
  readonly clock: string | null;
  readonly isPowerCut: boolean;

  private constructor(files: string | null, clock: string | null, isPowerCut: boolean) {
    this.files = files;
    this.clock = clock;
    this.isPowerCut = isPowerCut;
  }

  static build(folder: string, powers: readonly Power[]): Libraries {
    const isPowerCut = powers.includes("power");
    const files = isPowerCut || powers.includes("files") ? buildPreload(folder, new URL("faults/", TEST_FOLDER)) : null;
    return new Libraries(files, powers.includes("clock") ? buildClock(folder) : null, isPowerCut);
  }
}

function buildClock(folder: string): string {
  const library = join(folder, "clock.so");
  const source = fileURLToPath(new URL("chaos/preload/clock.c", TEST_FOLDER));
  const flags = ["-Wall", "-Wextra", "-Werror", "-O2", "-shared", "-fPIC"];
  execFileSync("cc", [...flags, "-o", library, source, "-ldl"], { encoding: "utf8", stdio: "pipe" });
  return library;
}

/** One broker's. */
export class Sabotage {
  private readonly libraries: Libraries;
  private readonly files: FaultControl | null;
  private readonly powerFolder: string;
  private readonly clockFile: string;

  constructor(libraries: Libraries, folder: string) {
    mkdirSync(folder);
    this.libraries = libraries;
    this.files = libraries.files === null ? null : new FaultControl(libraries.files, folder);
    this.powerFolder = `${folder}-power`;
    this.clockFile = join(folder, "clock");
    writeFileSync(this.clockFile, Buffer.alloc(CLOCK_BYTES));
  }

  /** For the process; what this one has, and what its libraries need. */
  env(): NodeJS.ProcessEnv {
    const { libraries, files } = this;
    const power = libraries.isPowerCut ? { folder: this.powerFolder, paths: POWER_PATHS } : undefined;
    const preload = [libraries.files, libraries.clock].filter((library) => library !== null).join(":");
    return {
      ...process.env,
      ...files?.env(power),
      ...(preload === "" ? {} : { LD_PRELOAD: preload, CHAOS_CLOCK: this.clockFile }),
    };
  }

  setFiles(rules: readonly FaultRule[]): void {
    assertDefined(this.files, "the run was started for faults of files").set(rules);
  }

  /** How often a rule was hit since the process's first start. */
  hits(rule: string): number {
    return this.files?.hits(rule).length ?? 0;
  }

  /** Sets the wall clock off by so much, from the next question for the time on. */
  setClock(offsetMs: number): void {
    const bytes = Buffer.alloc(CLOCK_BYTES);
    bytes.writeBigInt64LE(BigInt(Math.round(offsetMs)) * 1_000_000n);
    const file = openSync(this.clockFile, "r+");
    writeSync(file, bytes, 0, CLOCK_BYTES, 0);
    closeSync(file);
  }

  /** Makes a power cut of the kill of the process, which must be gone. @param loses what may vanish at any time: it does, too. */
  cutPower(isLost: () => boolean, loses: string | null): PowerCutReport {
    if (loses !== null) rmSync(loses, { recursive: true, force: true });
    return cutPower({ folder: this.powerFolder, isLost });
  }

  /** Nothing fails any more. The clock stays as it is: a real one does not jump back for the end of a run. */
  end(): void {
    this.files?.clear();
  }
}
