/**
 * script.ts: writes histories by hand, for tests and examples: one call an event or an operation, and everything that does not matter has a default.
 *
 * Unless told otherwise all is about partition 0 of the topic `o`, records have the key `k`, acknowledgements the epoch 1, and each event comes a
 * millisecond after the one before. Nothing is checked here: broken histories are what it is for.
 */
import type { AssignedPartition, PolledRecord } from "./events.js";

/** What a test says about one event, beside its number, time, proc, type and f. */
export type Rest = Readonly<Record<string, unknown>>;

/** What differs from the defaults of a send. */
export interface SendOptions {
  readonly proc?: string;
  readonly topic?: string;
  readonly key?: string | null;
  readonly acks?: string;
  readonly partition?: number;
  readonly epoch?: number;
}

/** What differs from the defaults of a final dump. */
export interface FinalOptions {
  readonly topic?: string;
  readonly partition?: number;
  readonly logStart?: number;
  readonly highWatermark?: number;
  readonly key?: string | null;
}

const PARTITION = { topic: "o", partition: 0 };

/** A history in the making. */
export class Script {
  private readonly events: string[] = [];
  private ms = 0;

  /** Its lines. */
  get lines(): readonly string[] {
    return this.events;
  }

  /** The number of the last event. */
  get last(): number {
    return this.events.length - 1;
  }

  /** Time passes. */
  wait(ms: number): this {
    this.ms += ms;
    return this;
  }

  /** Any line at all. */
  line(text: string): this {
    this.events.push(text);
    return this;
  }

  event(proc: string, type: string, f: string, rest: Rest = {}): number {
    this.line(JSON.stringify({ i: this.events.length, t: this.ms, proc, type, f, ...rest }));
    this.ms++;
    return this.last;
  }

  begin(proc: string, f: string, ask: Rest = {}): number {
    return this.event(proc, "invoke", f, ask);
  }

  ok(proc: string, f: string, answer: Rest = {}): number {
    return this.event(proc, "ok", f, answer);
  }

  /** An invoke and its ok; the number of the ok. */
  did(proc: string, f: string, ask: Rest = {}, answer: Rest = {}): number {
    this.begin(proc, f, ask);
    return this.ok(proc, f, answer);
  }

  beginSend(value: string, options: SendOptions = {}): number {
    const { proc = "c", topic = "o", key = "k", acks = "quorum" } = options;
    return this.begin(proc, "send", { topic, key, value, acks });
  }

  /** A send that was acknowledged at an offset; the number of its ok. */
  send(value: string, offset: number, options: SendOptions = {}): number {
    this.beginSend(value, options);
    return this.acked(offset, options);
  }

  /** The ok of a send that was begun. */
  acked(offset: number, { proc = "c", partition = 0, epoch = 1 }: SendOptions = {}): number {
    return this.ok(proc, "send", { partition, offset, epoch });
  }

  /** A send that was refused; the number of its fail. */
  refused(value: string, err = "NOT_LEADER", options: SendOptions = {}): number {
    this.beginSend(value, options);
    return this.event(options.proc ?? "c", "fail", "send", { err });
  }

  /** A send of unknown end: its proc must not be used again. The number of its info. */
  unknown(value: string, proc: string, options: SendOptions = {}): number {
    this.beginSend(value, { ...options, proc });
    return this.event(proc, "info", "send", { err: "TIMEOUT" });
  }

  /** A poll; the number of its ok. */
  poll(proc: string, records: readonly Rest[], rest: Rest = {}): number {
    return this.did(proc, "poll", { topics: ["o"], ...rest }, { records });
  }

  /** A reader or member starts at an offset of partition 0; the number of its ok. */
  assign(proc: string, startOffset: number, given: Partial<AssignedPartition> = {}, ask: Rest = {}): number {
    return this.did(proc, "assign", ask, { partitions: [{ ...PARTITION, epoch: null, startOffset, ...given }] });
  }

  /** The dump of one replica, by its values from `logStart` on. */
  final(broker: number, values: readonly (string | null)[], options: FinalOptions = {}): number {
    const { topic = "o", partition = 0, logStart = 0, key = "k" } = options;
    const highWatermark = options.highWatermark ?? logStart + values.length;
    const records = values.map((value, at) => ({ offset: logStart + at, key, value }));
    return this.ok("end", "final", { broker, topic, partition, logStart, highWatermark, records });
  }
}

/** A record as a poll returns it. */
export function record(offset: number, value: string | null, rest: Partial<PolledRecord> = {}): Rest {
  return { ...PARTITION, offset, key: "k", value, ...rest };
}
