/**
 * periodic.ts: work that a broker does again and again until it stops. One round that fails is logged and does not end the next.
 */
import { type Clock, type Logger, toVarveError } from "@varve/base";

export interface PeriodicOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends the work that is given no end of its own. */
  readonly stopped: AbortSignal;
}

export class Periodic {
  private readonly options: PeriodicOptions;

  constructor(options: PeriodicOptions) {
    this.options = options;
  }

  /** Does the work for the first time after one period, and no more once `end` is aborted. */
  every(periodMs: number, work: () => void, end: AbortSignal = this.options.stopped): void {
    const { clock, logger } = this.options;
    clock.setTimer(periodMs, () => {
      if (end.aborted) return;
      try {
        work();
      } catch (error) {
        logger.error({ err: toVarveError(error) }, "a periodic duty failed; it is tried again");
      }
      this.every(periodMs, work, end);
    });
  }
}
