/**
 * reading-group.ts: the group that reads the topic while it is written and while its leader dies: two processes, one of which is killed too.
 */
import { assertDefined, VarveError } from "@varve/base";
import { GroupCheck, type GroupFigures } from "./group-check.js";
import { PARTITIONS } from "./topic.js";
import { WorkerProcess } from "./worker-process.js";
import { machineMs } from "./worker-report.js";

export const WORKERS = 2;
const POLL_MS = 20;
/** For the workers to start and to share the partitions. */
const SHARE_MS = 15_000;
/** A close in order commits and leaves the group. */
const CLOSE_GRACE_MS = 5_000;

export interface ReadingGroupOptions {
  readonly bootstrap: string;
  /** Silence after which the group takes a worker for dead. */
  readonly sessionTimeoutMs: number;
}

export class ReadingGroup {
  private readonly check = new GroupCheck();
  private readonly workers: readonly WorkerProcess[];

  constructor({ bootstrap, sessionTimeoutMs }: ReadingGroupOptions) {
    const names = Array.from({ length: WORKERS }, (_, index) => `worker ${index + 1}`);
    this.workers = names.map(
      (name) => new WorkerProcess({ name, bootstrap, sessionTimeoutMs }, (report) => this.check.add(name, report)),
    );
  }

  /** Resolves when the workers share all partitions. @throws VarveError TIMEOUT; INTERNAL when one of them ends. */
  async shared(): Promise<void> {
    const each = PARTITIONS / WORKERS;
    const isShared = (): boolean => this.workers.every(({ name }) => this.check.heldBy(name).length === each);
    if (await this.reached(isShared, SHARE_MS)) return;
    const held = this.workers.map(({ name }) => `${name} has ${this.check.heldBy(name).length}`).join(", ");
    throw new VarveError("TIMEOUT", {
      message: `after ${SHARE_MS / 1_000} s the workers do not share the ${PARTITIONS} partitions evenly: ${held}`,
      effect: "NONE",
    });
  }

  /** kill -9 of the worker that was handed most records so far; answers its name. */
  killBusiest(): string {
    const name = this.check.busiest();
    const victim = assertDefined(
      this.workers.find((worker) => worker.name === name),
      "who was handed records is a worker",
    );
    this.check.killed(name, machineMs());
    victim.kill();
    return name;
  }

  /** Resolves when so many records of the log were finished, or after `timeoutMs`. @throws VarveError INTERNAL when a worker ends by itself. */
  async caughtUp(records: number, timeoutMs: number): Promise<void> {
    await this.reached(() => this.check.finished >= records, timeoutMs);
  }

  /** Ends the workers in order. @throws VarveError INTERNAL when one of them failed. */
  async close(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.close(CLOSE_GRACE_MS)));
    this.throwFailure();
  }

  /** Ends all at once; for a run that has failed already. */
  async kill(): Promise<void> {
    for (const worker of this.workers) worker.kill();
    await Promise.all(this.workers.map(({ ended }) => ended));
  }

  /** After `close`. @param ends by partition: the offset after the last one of the log. */
  figures(ends: readonly number[]): GroupFigures {
    return this.check.figures(ends);
  }

  private async reached(holds: () => boolean, timeoutMs: number): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    while (!holds()) {
      this.throwFailure();
      if (performance.now() >= deadline) return false;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    return true;
  }

  private throwFailure(): void {
    const failure = this.workers.map((worker) => worker.failure).find((found) => found !== null);
    if (failure === undefined || failure === null) return;
    throw new VarveError("INTERNAL", { message: `the group failed: ${failure}`, effect: "NONE" });
  }
}
