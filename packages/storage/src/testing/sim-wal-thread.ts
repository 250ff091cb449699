/**
 * sim-wal-thread.ts: the WAL thread on the simulated disk: writes happen at once, the sync after its latency.
 *
 * Between the two a crash finds unsynced bytes, as on a real machine. After a crash it is as dead as its process.
 */
import { assert, type WalCommand, type WalThread } from "@varve/base";

/** What of the disk its thread needs; see there. */
export interface ThreadDisk {
  readonly staging: Uint8Array;
  readonly currentLife: number;
  isAlive(life: number): boolean;
  writeNow(path: string, bytes: Uint8Array, position: number): boolean;
  syncNow(path: string): boolean;
  later(kind: "sync", action: () => void): void;
}

export class SimWalThread implements WalThread {
  private readonly disk: ThreadDisk;
  private readonly life: number;
  private readonly paths = new Map<number, string>();
  private isBusy = false;
  private isClosed = false;

  constructor(disk: ThreadDisk) {
    this.disk = disk;
    this.life = disk.currentLife;
  }

  get staging(): Uint8Array {
    return this.disk.staging;
  }

  run(commands: readonly WalCommand[], done: (error: Error | null) => void): void {
    assert(!this.isBusy, "W1: one run at a time");
    if (this.isClosed || !this.disk.isAlive(this.life)) return;
    this.isBusy = true;
    const syncs: string[] = [];
    for (const command of commands) {
      if (command.kind === "open") this.paths.set(command.file, command.path);
      else if (command.kind === "close") this.paths.delete(command.file);
      else if (command.kind === "sync") syncs.push(this.pathOf(command.file));
      else if (
        !this.disk.writeNow(this.pathOf(command.file), this.staging.subarray(0, command.bytes), command.position)
      )
        return;
    }
    // Never inside the call itself: the caller has not finished its own step yet.
    queueMicrotask(() => this.disk.later("sync", () => this.finish(syncs, done)));
  }

  private finish(syncs: readonly string[], done: (error: Error | null) => void): void {
    if (!this.disk.isAlive(this.life)) return;
    const error = this.syncAll(syncs);
    if (error === undefined) return;
    this.isBusy = false;
    done(error);
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }

  private pathOf(file: number): string {
    const path = this.paths.get(file);
    assert(path !== undefined, "a file is opened before it is used");
    return path;
  }

  /** Null: done. Undefined: the power went off in between. */
  private syncAll(paths: readonly string[]): Error | null | undefined {
    try {
      return paths.every((path) => this.disk.syncNow(path)) ? null : undefined;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }
}
