/**
 * writer.ts: writes histories: numbers and times events and keeps to the rules H1-H3, so that what it wrote can be read.
 *
 * A client has one operation open at a time; after an `info` it goes on under a new name by itself.
 */
import { assert } from "@varve/base";
import type { Announcements, OperationName, Operations } from "./events.js";

/** Where a history goes, and what time it is. */
export interface HistorySink {
  /** Milliseconds of the machine's monotonic clock; whole or not. */
  readonly nowMs: () => number;
  /** Takes one line, without its end. */
  readonly write: (line: string) => void;
}

/** Writes the events of one history, in the order of the calls. */
export class HistoryWriter {
  private next = 0;
  private lastMs = 0;

  constructor(private readonly sink: HistorySink) {}

  /** Events so far. */
  get events(): number {
    return this.next;
  }

  /** A client of its own name; names must differ. */
  client(name: string): HistoryClient {
    return new HistoryClient(name, (proc, event) => this.append(proc, event));
  }

  /** @returns the event's number. */
  private append(proc: string, event: object): number {
    const i = this.next++;
    // Two processors' clocks may differ by a little; the file's order is what counts.
    this.lastMs = Math.max(this.lastMs, this.sink.nowMs());
    this.sink.write(JSON.stringify({ i, t: this.lastMs, proc, ...event }));
    return i;
  }
}

type Append = (proc: string, event: object) => number;

/** One client, in one operation at a time. */
export class HistoryClient {
  private lives = 1;
  private busyWith: OperationName | null = null;

  constructor(
    private readonly name: string,
    private readonly append: Append,
  ) {}

  /** The name that events bear now. */
  get proc(): string {
    return this.lives === 1 ? this.name : `${this.name}/${this.lives}`;
  }

  /** Begins an operation. */
  invoke<F extends OperationName>(f: F, ask: Operations[F]["ask"]): OpenOperation<F> {
    assert(this.busyWith === null, "a client has one operation open at a time");
    this.busyWith = f;
    const i = this.append(this.proc, { type: "invoke", f, ...ask });
    const end = (type: "ok" | "fail" | "info", rest: object): number => {
      assert(this.busyWith === f, "an operation ends once");
      this.busyWith = null;
      const ended = this.append(this.proc, { type, f, ...rest });
      if (type === "info") this.lives++;
      return ended;
    };
    return {
      i,
      ok: (answer) => end("ok", answer),
      fail: (err) => end("fail", { err }),
      info: (err) => end("info", { err }),
    };
  }

  /** Says something that is no operation; allowed while one is open. */
  announce<F extends keyof Announcements>(f: F, said: Announcements[F]): number {
    return this.append(this.proc, { type: "ok", f, ...said });
  }
}

/** An operation that was begun; one of its ends is called, once. Each returns the number of the event. */
export interface OpenOperation<F extends OperationName> {
  /** The number of its invoke. */
  readonly i: number;
  readonly ok: (answer: Operations[F]["answer"]) => number;
  /** It did not take effect and never will: errors whose effect is NOT_APPLIED, and reads that failed. */
  readonly fail: (err: string) => number;
  /** Nobody knows. */
  readonly info: (err: string) => number;
}
