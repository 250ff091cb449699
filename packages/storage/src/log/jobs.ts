/**
 * jobs.ts: work on one log's files, one piece after another, away from the calls that asked for it.
 */

export class Jobs {
  private readonly onError: (error: unknown) => void;
  private tail: Promise<void> = Promise.resolve();
  private count = 0;

  /** @param onError a job rejected; the jobs after it still run. */
  constructor(onError: (error: unknown) => void) {
    this.onError = onError;
  }

  /** Jobs that wait or run. */
  get pending(): number {
    return this.count;
  }

  /** Runs `job` after all earlier ones; resolves when it is over, whether it failed or not. */
  add(job: () => Promise<void>): Promise<void> {
    this.count++;
    this.tail = this.tail.then(async () => {
      try {
        await job();
      } catch (error) {
        this.onError(error);
      } finally {
        this.count--;
      }
    });
    return this.tail;
  }

  /** Resolves when all jobs that were added before are over. */
  idle(): Promise<void> {
    return this.tail;
  }
}
