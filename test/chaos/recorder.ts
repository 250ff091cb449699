/**
 * recorder.ts: everything that clients and the nemesis did, numbered in the order of time; the first event's is 0.
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

/** One event without its number. The fields of each `f` are those of history files. */
export interface HistoryEvent {
  /** Milliseconds of the machine's monotonic clock. */
  readonly t: number;
  readonly proc: string;
  readonly type: "invoke" | "ok" | "fail" | "info";
  readonly f: string;
  readonly [field: string]: unknown;
}

export type Fields = Readonly<Record<string, unknown>>;

export class Recorder {
  private readonly lines: { readonly t: number; readonly rest: string }[] = [];

  add(event: HistoryEvent): void {
    const { t, ...rest } = event;
    this.lines.push({ t, rest: JSON.stringify(rest) });
  }

  get count(): number {
    return this.lines.length;
  }

  /** Writes all events to a file, one a line, and resolves with their number. */
  async write(path: string): Promise<number> {
    const ordered = [...this.lines].sort((a, b) => a.t - b.t); // Stable: equal times stay in the order of arrival.
    const startMs = ordered[0]?.t ?? 0;
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
  private lives = 0;

  constructor(recorder: Recorder, base: string) {
    this.recorder = recorder;
    this.base = base;
  }

  get name(): string {
    return this.lives === 0 ? this.base : `${this.base}#${this.lives}`;
  }

  /** Does one operation and writes down how it began and ended; null when it failed. */
  async operate<T>(f: string, invoke: Fields, act: () => Promise<T>, ok: (answer: T) => Fields): Promise<T | null> {
    const proc = this.name;
    this.recorder.add({ t: nowMs(), proc, type: "invoke", f, ...invoke });
    try {
      const answer = await act();
      this.recorder.add({ t: nowMs(), proc, type: "ok", f, ...ok(answer) });
      return answer;
    } catch (error) {
      const { type, err } = failureOf(error);
      this.recorder.add({ t: nowMs(), proc, type, f, err });
      if (type === "info") this.lives++;
      return null;
    }
  }
}

/** `fail` only for what has certainly not taken effect; reads that failed had none to begin with. */
function failureOf(error: unknown): { readonly type: "fail" | "info"; readonly err: string } {
  if (!(error instanceof VarveError)) return { type: "info", err: "INTERNAL" };
  return { type: error.effect === "UNKNOWN" ? "info" : "fail", err: error.code };
}
