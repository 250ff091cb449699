/**
 * faults.ts: what the nemesis did, when, and what its faults excuse.
 *
 * A fault lasts from its invoke to its ok; without one, or after an info, to the end of the history. Faults are told apart by their names and targets, of
 * which the format fixes none: one that stops or cuts off (kill, pause, partition, ...) a single broker leaves a majority, and so does whatever has the target
 * `broker 2`; what befalls members and clients of the cluster (member-..., seek, ...) touches no broker; any other may leave no majority.
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
const CLEAN =
  /kill|crash|stop|pause|freeze|isolat|restart|reset|partition|transfer|drain|leader|coordinator|controller/i;
/** Faults that touch many brokers, by name or target. */
const EVERYWHERE = /\ball\b|killall|power|majority|rolling|every|both/i;
/** Names of faults that touch no broker. */
const HARMLESS = /^(?:members?|clients?|consumers?|workers?|groups?|seek|static|storm|rebalance)\b/i;

/** All faults of a history. */
export class Faults {
  private readonly open = new Map<string, Fault>();
  private readonly closed: Fault[] = [];
  /** Times of beginnings and ends, in order. */
  private readonly turnsMs: number[] = [];

  feed(step: Extract<Step, { f: "nemesis" }>): void {
    if (HARMLESS.test(step.ask.name)) return;
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

/** It stops or cuts off one broker, which is named by its number, or as the leader of something. */
function isOneBroker(name: string, target: unknown): boolean {
  const said = JSON.stringify(target ?? null);
  if (EVERYWHERE.test(name) || EVERYWHERE.test(said)) return false;
  if (/^"broker \d+"$/.test(said)) return true;
  if (!CLEAN.test(name)) return false;
  return /leader/i.test(name) || /leader/i.test(said) || said.match(/\d+/g)?.length === 1;
}
