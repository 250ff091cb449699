/**
 * send-window.ts: bounds what has been sent and not yet been answered, and counts how the answers came out.
 *
 * Invariants:
 *   W1  at most `recordsMax` records and `bytesMax` bytes (or one larger record) are unanswered after `admit` resolved
 *   W2  acknowledged + notApplied + unknown + unanswered = sent
 */
import { assert, toVarveError, type VarveError } from "@varve/base";

export interface WindowLimits {
  readonly recordsMax: number;
  readonly bytesMax: number;
}

/** The first failure, and which record it was. */
export interface SendFailure {
  readonly error: VarveError;
  /** 1-based number of the record in the order of sending. */
  readonly recordNumber: number;
}

export class SendWindow<Answer> {
  private readonly limits: WindowLimits;
  private readonly onAnswer: (answer: Answer) => void;
  private unansweredBytes = 0;
  private wake: (() => void) | null = null;
  sent = 0;
  acknowledged = 0;
  acknowledgedBytes = 0;
  /** Failed for sure: not in the log. */
  notApplied = 0;
  /** Failed, but may be in the log. */
  unknown = 0;
  failure: SendFailure | null = null;

  constructor(limits: WindowLimits, onAnswer: (answer: Answer) => void = () => {}) {
    this.limits = limits;
    this.onAnswer = onAnswer;
  }

  get unanswered(): number {
    return this.sent - this.acknowledged - this.notApplied - this.unknown;
  }

  /** Resolves when the next record may be sent, or one has failed. */
  async admit(): Promise<void> {
    while (this.isFull() && this.failure === null) await this.nextAnswer();
  }

  /** Takes one record's outcome into the count. The promise's rejection is handled here. */
  track(bytes: number, answer: Promise<Answer>): void {
    this.sent += 1;
    this.unansweredBytes += bytes;
    const recordNumber = this.sent;
    answer.then(
      (value) => {
        this.acknowledged += 1;
        this.acknowledgedBytes += bytes;
        this.settle(bytes);
        this.onAnswer(value);
      },
      (thrown: unknown) => {
        const error = toVarveError(thrown, "UNKNOWN");
        if (error.effect === "UNKNOWN") this.unknown += 1;
        else this.notApplied += 1;
        this.failure ??= { error, recordNumber };
        this.settle(bytes);
      },
    );
  }

  /** Resolves when everything sent has been answered. */
  async drained(): Promise<void> {
    while (this.unanswered > 0) await this.nextAnswer();
  }

  private isFull(): boolean {
    return this.unanswered >= this.limits.recordsMax || this.unansweredBytes >= this.limits.bytesMax;
  }

  private settle(bytes: number): void {
    this.unansweredBytes -= bytes;
    assert(this.unanswered >= 0, "W2");
    this.wake?.();
    this.wake = null;
  }

  private nextAnswer(): Promise<void> {
    return new Promise((resolve) => {
      const before = this.wake;
      this.wake = () => {
        before?.();
        resolve();
      };
    });
  }
}
