/**
 * dying-process.ts: one process's hold on a simulated machine, which ends at a chosen call.
 *
 * Every call that could change the disk has a number. At the chosen one the power goes: right before it, or while it runs, when the
 * bytes are written and not yet synced. A dead process changes nothing more, whatever promises of it still run.
 */
import type { Clock, Disk, DiskFile, WalCommand, WalThread } from "@varve/base";
import type { CrashChoice, SimDisk } from "./sim-disk.js";

/** When to die. `during`: only a sync or a flush has a middle; other calls die before. */
export interface DeathPlan {
  readonly atCall: number;
  readonly phase: "before" | "during";
  readonly choice: CrashChoice;
}

/** Half of what a sync of the simulated disk takes: its middle. */
const MIDDLE_MS = 0.5;
/** What `SimDiskOptions.latencyMs` must say for syncs, so that they have a middle. */
export const SYNC_LATENCY_MS = 1;

export class DyingProcess {
  /** Calls so far that could change the disk. */
  calls = 0;
  dead = false;
  private readonly machine: SimDisk;
  private readonly clock: Clock;
  private readonly plan: DeathPlan | null;

  constructor(machine: SimDisk, clock: Clock, plan: DeathPlan | null) {
    this.machine = machine;
    this.clock = clock;
    this.plan = plan;
  }

  /** The power goes now. */
  die(choice: CrashChoice): void {
    if (this.dead) return;
    this.dead = true;
    this.machine.crash(choice);
  }

  /** Its Disk port. */
  disk(): Disk {
    const { machine } = this;
    return {
      open: async (path, mode) => this.file(await this.step(false, () => machine.open(path, mode))),
      list: (path) => this.alive(() => machine.list(path)),
      makeDir: (path) => this.step(false, () => machine.makeDir(path)),
      rename: (from, to) => this.step(false, () => machine.rename(from, to)),
      remove: (path) => this.step(false, () => machine.remove(path)),
      removeDir: (path) => this.step(false, () => machine.removeDir(path)),
      syncDir: (path) => this.step(true, () => machine.syncDir(path)),
      freeBytes: () => this.alive(() => machine.freeBytes()),
      lock: (path) => this.alive(() => machine.lock(path)),
    };
  }

  /** Its WalThread port. */
  walThread(): WalThread {
    const thread = this.machine.walThread();
    return {
      run: (command: WalCommand) => this.step(command.kind === "flush", () => thread.run(command)),
      close: () => thread.close(),
    };
  }

  private file(file: DiskFile): DiskFile {
    return {
      read: (target, position) => this.alive(() => file.read(target, position)),
      write: (buffers, position) => this.step(false, () => file.write(buffers, position)),
      sync: () => this.step(true, () => file.sync()),
      truncate: (bytes) => this.step(false, () => file.truncate(bytes)),
      size: () => this.alive(() => file.size()),
      close: () => file.close(),
    };
  }

  private async step<T>(hasMiddle: boolean, call: () => Promise<T>): Promise<T> {
    if (this.dead) throw gone();
    this.calls++;
    const plan = this.plan;
    if (plan !== null && plan.atCall === this.calls) {
      if (plan.phase === "during" && hasMiddle) this.clock.setTimer(MIDDLE_MS, () => this.die(plan.choice));
      else this.die(plan.choice);
    }
    return this.alive(call);
  }

  private async alive<T>(call: () => Promise<T>): Promise<T> {
    if (this.dead) throw gone();
    const result = await call();
    if (this.dead) throw gone();
    return result;
  }
}

function gone(): Error {
  return new Error("the process that had this file open is gone");
}
