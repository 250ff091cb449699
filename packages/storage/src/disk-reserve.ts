/**
 * disk-reserve.ts: whether so little disk is free that produce must be refused, before the reserve is used.
 *
 * The file system is asked now and then only, and a fast producer writes tens of megabytes in between. So what has become part of a segment since
 * counts as used, and so does what waits for its segment. Where it is refused it stays refused until an eighth of the reserve more is free: files of
 * the WAL come and go, and clients and readiness would hear yes and no in turn.
 */
import type { Clock, Disk, Logger } from "@varve/base";
import type { UndrainedBytes } from "./log/log-core.js";

/** Free space is asked for at most this often. */
const ASK_EVERY_MS = 200;

interface Parts {
  readonly disk: Pick<Disk, "freeBytes">;
  readonly dataDir: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly undrained: UndrainedBytes;
  readonly reserveBytes: number;
}

export class DiskReserve {
  private readonly parts: Parts;
  private askedAtMs: number;
  private isRefusing = false;
  /** As the file system told last, and what had left the undrained bytes when it was asked. */
  private found: { readonly freeBytes: number; readonly drainedBytes: number };

  private constructor(parts: Parts, freeBytes: number) {
    this.parts = parts;
    this.askedAtMs = parts.clock.monotonicMs();
    this.found = { freeBytes, drainedBytes: parts.undrained.drained };
  }

  static async measure(parts: Parts): Promise<DiskReserve> {
    return new DiskReserve(parts, await parts.disk.freeBytes(parts.dataDir));
  }

  get freeBytes(): number {
    return this.found.freeBytes;
  }

  /** Whether produce must be refused now. */
  isShort(): boolean {
    const { clock, undrained, reserveBytes } = this.parts;
    if (clock.monotonicMs() - this.askedAtMs >= ASK_EVERY_MS) this.ask();
    const drainedSince = undrained.drained - this.found.drainedBytes;
    const left = this.found.freeBytes - drainedSince - undrained.total;
    this.isRefusing = left < (this.isRefusing ? reserveBytes * 1.125 : reserveBytes);
    return this.isRefusing;
  }

  private ask(): void {
    const { clock, disk, dataDir, logger, undrained } = this.parts;
    this.askedAtMs = clock.monotonicMs();
    const drainedBytes = undrained.drained;
    disk.freeBytes(dataDir).then(
      (freeBytes) => {
        this.found = { freeBytes, drainedBytes };
      },
      (error: unknown) => logger.warn({ error: String(error), dataDir }, "the free disk space cannot be read"),
    );
  }
}
