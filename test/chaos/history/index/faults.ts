/**
 * faults.ts: what the nemesis did, when, and what its faults excuse.
 *
 * A fault lasts from its invoke to its ok; without one, or after an info, to the end of the history. Faults are told apart by their names, of which the
 * format fixes none: one that stops or cuts off (kill, pause, partition, ...) of a single broker leaves a majority; any other may leave none.
 */
import type { Moment, Step } from "../events.js";

/** One fault. */
export interface Fault {
  readonly name: string;
  readonly begun: Moment;
  /** null: it never ended. */
  readonly ended: Moment | null;
  /** It takes one broker away, cleanly. */
  readonly isOneBroker: boolean;
}

/** Names of faults that take brokers away and leave the rest alone. */
const CLEAN = /kill|crash|stop|pause|freeze|isolat|restart|partition|transfer|drain/i;
/** Names of faults that touch every broker, whatever their target is. */
const EVERYWHERE = /all|power|majority|rolling/i;

/** All faults of a history. */
export class Faults {
  private readonly open = new Map<string, Fault>();
  private readonly closed: Fault[] = [];
  /** Times of beginnings and ends, in order. */
  private readonly turnsMs: number[] = [];

  feed(step: Extract<Step, { f: "nemesis" }>): void {
    this.turnsMs.push(step.t);
    const moment = { i: step.i, t: step.t };
    if (step.type === "invoke") {
      const { name, target } = step.ask;
      this.open.set(step.proc, { name, begun: moment, ended: null, isOneBroker: isOneBroker(name, target) });
      return;
    }
    const fault = this.open.get(step.proc);
    this.open.delete(step.proc);
    if (fault !== undefined) this.closed.push({ ...fault, ended: step.type === "info" ? null : moment });
  }

  /** In no order. */
  get all(): readonly Fault[] {
    return [...this.closed, ...this.open.values()];
  }

  /** Beginnings and ends within a time. */
  turns(startMs: number, endMs: number): number {
    return this.turnsMs.filter((ms) => ms > startMs && ms <= endMs).length;
  }

  /** Whether a fault that disturbs all the time, rather than once, was at work. */
  isUnsteady(startMs: number, endMs: number): boolean {
    return this.all.some(
      ({ name, begun, ended }) => !CLEAN.test(name) && begun.t <= endMs && (ended === null || ended.t >= startMs),
    );
  }
}

/** It names one broker, by its number, or the leader of something. */
function isOneBroker(name: string, target: unknown): boolean {
  if (!CLEAN.test(name) || EVERYWHERE.test(name)) return false;
  const said = JSON.stringify(target ?? null);
  if (EVERYWHERE.test(said)) return false;
  return /leader/i.test(name) || /leader/i.test(said) || said.match(/\d+/g)?.length === 1;
}
