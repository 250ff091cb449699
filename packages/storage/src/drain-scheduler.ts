/**
 * drain-scheduler.ts: decides which logs are drained when, so that many small logs cost few fsyncs and memory stays bounded.
 *
 * A log is drained when it has a good piece to write, when all logs together hold too much (the largest first), and when its
 * frames keep an old WAL file. Never because of time alone: a thousand quiet logs must not cost a thousand fsyncs.
 */
import type { GroupLogImpl } from "./log/group-log.js";
import type { LogCore, UndrainedBytes } from "./log/log-core.js";

/**
 * Drains that run at once. Each waits for its segment's fsync and then for a flush of the WAL with its mark; what runs on the disk at
 * once is bounded by the thread pool. More drains take the disk from the WAL: at 256 it made 30 flushes a second instead of 100.
 */
const DRAINS_MAX = 32;

export class DrainScheduler {
  private readonly logs: () => Iterable<GroupLogImpl>;
  private readonly undrained: UndrainedBytes;
  /** A log may wait while it is drained: the drain that runs takes only what was committed before it began. */
  private readonly waiting = new Set<GroupLogImpl>();
  private readonly running = new Set<GroupLogImpl>();
  private isRelieving = false;

  constructor(logs: () => Iterable<GroupLogImpl>, undrained: UndrainedBytes) {
    this.logs = logs;
    this.undrained = undrained;
  }

  /** Something was committed to that log. */
  committed(core: LogCore, log: GroupLogImpl | null): void {
    if (log !== null && core.undrainedBytes >= core.context.drainBytes) this.request(log);
    this.relieveIfFull();
  }

  request(log: GroupLogImpl): void {
    this.waiting.add(log);
    this.start();
  }

  /** Above half the bound: asks for drains of the largest logs, a quarter of the bound; for more as soon as the last of them has begun. */
  private relieveIfFull(): void {
    const { total, max } = this.undrained;
    if (this.isRelieving || total <= max / 2) return;
    this.isRelieving = true;
    const largest = [...this.logs()].filter((log) => log.keeper.hasUndrained && !this.running.has(log));
    largest.sort((left, right) => right.core.undrainedBytes - left.core.undrainedBytes);
    let asked = 0;
    for (const log of largest) {
      if (asked > max / 4) break;
      asked += log.core.undrainedBytes;
      this.request(log);
    }
  }

  private start(): void {
    for (const log of this.waiting) {
      if (this.running.size >= DRAINS_MAX) return;
      if (this.running.has(log)) continue;
      this.waiting.delete(log);
      this.running.add(log);
      const before = log.core.drainedIndex;
      void log.keeper.drain().then(() => this.finished(log, log.core.drainedIndex > before));
    }
  }

  /** A drain that brought nothing forward has failed, and would fail again. */
  private finished(log: GroupLogImpl, isForward: boolean): void {
    this.running.delete(log);
    this.start();
    if (this.waiting.size > 0) return;
    this.isRelieving = false;
    if (isForward) this.relieveIfFull();
  }
}
