/**
 * handler-runner.ts: calls the user's handler for one record, and does what `onError` decides when it fails.
 *
 * Invariant E1: a record is finished only when its handler resolved, or onError said skip; not after its signal was aborted
 */
import type { Logger, Random } from "@varve/base";
import { invalidArgument } from "../options.js";
import type { VarveRecord } from "../records/output.js";
import { type Dispatcher, type Job, recordName } from "./dispatcher.js";
import type { RunSettings } from "./options.js";
import { textOf } from "./watchdog.js";

export interface HandlerRunnerOptions<T> {
  readonly settings: RunSettings<T>;
  readonly dispatcher: () => Dispatcher<T>;
  readonly logger: Logger;
  readonly random: Random;
  readonly onHandlerError: (error: unknown, record: VarveRecord<T>) => void;
  /** The consumer must not go on. */
  readonly onStop: (error: unknown) => void;
}

/** Pause before a record's second try; doubles. */
const RETRY_FIRST_MS = 100;
const RETRY_MAX_MS = 30_000;

export class HandlerRunner<T> {
  private readonly options: HandlerRunnerOptions<T>;

  constructor(options: HandlerRunnerOptions<T>) {
    this.options = options;
  }

  async run(job: Job<T>): Promise<void> {
    const { record, attempt, work } = job;
    const { signal } = work.over;
    try {
      await this.options.settings.handler(record, { signal, attempt });
    } catch (error) {
      await this.failed(job, error);
      return;
    }
    if (signal.aborted) this.options.dispatcher().giveUp(job);
    else this.options.dispatcher().finish(job);
  }

  private async failed(job: Job<T>, error: unknown): Promise<void> {
    const { settings, logger, onHandlerError, onStop } = this.options;
    const dispatcher = this.options.dispatcher();
    const { record, attempt, work } = job;
    job.lastError = error;
    if (work.state === "gone" || work.over.signal.aborted) {
      dispatcher.giveUp(job);
      return;
    }
    onHandlerError(error, record);
    let decision: unknown;
    try {
      decision = await settings.onError(error, record, { attempt });
    } catch (thrown) {
      dispatcher.giveUp(job);
      onStop(thrown);
      return;
    }
    logger.warn({ record: recordName(job), attempt, decision, error: textOf(error) }, "a handler failed");
    if (decision === "skip") dispatcher.finish(job);
    else if (decision === "retry") dispatcher.retryAfter(job, this.pauseMs(attempt));
    else {
      dispatcher.giveUp(job);
      onStop(
        decision === "stop" ? error : invalidArgument(`onError answered ${String(decision)}, not retry, skip or stop`),
      );
    }
  }

  private pauseMs(attempt: number): number {
    const ceilingMs = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(attempt - 1, 20));
    return ceilingMs * (0.75 + this.options.random.uint32() / 2 ** 34);
  }
}
