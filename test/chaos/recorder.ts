/**
 * recorder.ts: everything that clients and the nemesis did, of this process and of others, numbered in the order of time from the first event on.
 *
 * Invariants:
 *   R1  `t` of an invoke is taken before the operation begins, `t` of its completion after it has ended: what lies between two numbers
 *       in the file did happen between them
 *   R2  a client has one operation at a time; after an `info` its events carry a new name, since the old operation may still take effect
 * Memory: one line of text for each event until the run ends; the run's rate and length bound it.
 */
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { VarveError } from "@varve/base";
import { nowMs } from "./clock.js";
import type { Announcements, EventType, OperationName, Operations } from "./history/index.js";

/** One event without its number. */
export interface TimedEvent {
  /** Milliseconds of the machine's monotonic clock. */
  readonly t: number;
  readonly proc: string;
  readonly type: EventType;
  readonly f: OperationName | keyof Announcements;
}

export class Recorder {
  private readonly lines: { readonly t: number; readonly rest: string }[] = [];
  private readonly tallies = new Map<string, number>();

  /** @param more the fields that the event's `f` and type ask for. */
  add(event: TimedEvent, more: object): void {
    const { t, ...rest } = event;
    this.lines.push({ t, rest: JSON.stringify({ ...rest, ...more }) });
    const name = `${event.f} ${event.type}`;
    this.tallies.set(name, (this.tallies.get(name) ?? 0) + 1);
  }

  get count(): number {
    return this.lines.length;
  }

  /** How many events of an `f` and a type there are. */
  tally(f: TimedEvent["f"], type: EventType): number {
    return this.tallies.get(`${f} ${type}`) ?? 0;
  }

  /** Time of the first event, milliseconds of the monotonic clock; null: there is none. */
  startMs(): number | null {
    return this.lines.reduce<number | null>((first, { t }) => (first === null || t < first ? t : first), null);
  }

  /** Writes all events to a file, one a line, and resolves with their number. */
  async write(path: string): Promise<number> {
    const ordered = [...this.lines].sort((a, b) => a.t - b.t); // Stable: equal times stay in the order of arrival.
    const startMs = this.startMs() ?? 0;
    const file = createWriteStream(path);
    for (const [i, { t, rest }] of ordered.entries()) {
      const line = `{"i":${i},"t":${(t - startMs).toFixed(3)},${rest.slice(1)}\n`;
      if (!file.write(line)) await once(file, "drain");
    }
    file.end();
    await once(file, "finish");
    return ordered.length;
  }
}

/** One client in the history: a name, and one operation at a time. */
export class Proc {
  private readonly recorder: Recorder;
  private readonly base: string;
  private lives = 1;

  constructor(recorder: Recorder, base: string) {
    this.recorder = recorder;
    this.base = base;
  }

  get name(): string {
    return this.lives === 1 ? this.base : `${this.base}/${this.lives}`;
  }

  /** Does one operation and writes down how it began and ended. @returns what `act` gave; null: it failed. */
  async operate<F extends OperationName, T>(
    f: F,
    ask: Operations[F]["ask"],
    act: () => Promise<T>,
    answerOf: (given: T) => Operations[F]["answer"],
  ): Promise<T | null> {
    const proc = this.name;
    this.recorder.add({ t: nowMs(), proc, type: "invoke", f }, ask);
    try {
      const given = await act();
      this.recorder.add({ t: nowMs(), proc, type: "ok", f }, answerOf(given));
      return given;
    } catch (error) {
      const { type, err, why } = failureOf(error);
      this.recorder.add({ t: nowMs(), proc, type, f }, { err, why });
      if (type === "info") this.lives++;
      return null;
    }
  }

  announce<F extends keyof Announcements>(f: F, said: Announcements[F]): void {
    this.recorder.add({ t: nowMs(), proc: this.name, type: "ok", f }, said);
  }
}

/** `fail` only for what has certainly not taken effect; reads that failed had none to begin with. */
export function failureOf(error: unknown): Failure {
  const why = (error instanceof Error ? error.message : String(error)).slice(0, WHY_CHARS_MAX);
  if (!(error instanceof VarveError)) return { type: "info", err: "INTERNAL", why };
  return { type: error.effect === "UNKNOWN" ? "info" : "fail", err: error.code, why };
}

/** How an operation failed, as its end says it. */
export interface Failure {
  readonly type: "fail" | "info";
  readonly err: string;
  /** For people. */
  readonly why: string;
}

const WHY_CHARS_MAX = 300;
