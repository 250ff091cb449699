/**
 * voice.ts: how a member in a worker process says what it does: one event of the history a line on standard output, at once, so that a process
 * that is killed has said all that it did.
 *
 * Assignments and deliveries come whenever they come, and a history has one operation at a time for each client: they are said as operations that
 * begin and end at once, and while a commit is open they wait for its end.
 */
import { writeSync } from "node:fs";
import { nowMs } from "../clock.js";
import type { Announcements, OperationName, Operations } from "../history/index.js";
import { failureOf } from "../recorder.js";
import type { WorkerEnd } from "./plan.js";

const STDOUT = 1;

export class Voice {
  private readonly base: string;
  private lives = 1;
  private isBusy = false;
  private readonly waiting: (() => void)[] = [];

  constructor(base: string) {
    this.base = base;
  }

  /** An operation that begins and ends now, or when the open one has ended. */
  instant<F extends OperationName>(f: F, ask: Operations[F]["ask"], answer: Operations[F]["answer"]): void {
    if (this.isBusy) {
      this.waiting.push(() => this.instant(f, ask, answer));
      return;
    }
    this.say("invoke", f, ask);
    this.say("ok", f, answer);
  }

  announce<F extends keyof Announcements>(f: F, said: Announcements[F]): void {
    this.say("ok", f, said);
  }

  /** An operation whose failure is written down and otherwise nothing to worry about. */
  async operate<F extends OperationName>(
    f: F,
    ask: Operations[F]["ask"],
    answer: Operations[F]["answer"],
    act: () => Promise<void>,
  ): Promise<void> {
    this.isBusy = true;
    this.say("invoke", f, ask);
    try {
      await act();
      this.say("ok", f, answer);
    } catch (error) {
      const { type, err, why } = failureOf(error);
      this.say(type, f, { err, why });
      if (type === "info") this.lives++;
    }
    this.isBusy = false;
    for (const saying of this.waiting.splice(0)) saying();
  }

  ended(code: string | null, message: string): void {
    const end: WorkerEnd = { ended: this.base, code, message };
    writeSync(STDOUT, `${JSON.stringify(end)}\n`);
  }

  private say(type: string, f: string, more: object): void {
    const proc = this.lives === 1 ? this.base : `${this.base}/${this.lives}`;
    writeSync(STDOUT, `${JSON.stringify({ t: nowMs(), proc, type, f, ...more })}\n`);
  }
}
