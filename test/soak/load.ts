/**
 * load.ts: sends at a steady rate, whatever the cluster does, and writes into the ledger what became of each record.
 *
 * No send is awaited before the next one begins: when the cluster stands still, what is not settled is as much as comes in a delivery timeout.
 */
import { type Producer, VarveError } from "@varve/client";
import type { Ledger } from "./ledger.js";

const BEAT_MS = 10;
const KEYS = 1_000;
const NUMBER_BYTES = 6;

export interface LoadOptions {
  readonly producer: Producer;
  readonly topic: string;
  readonly ledger: Ledger;
  readonly sendsPerSecond: number;
  readonly valueBytes: number;
}

export class Load {
  private readonly options: LoadOptions;
  private readonly keys = Array.from({ length: KEYS }, (_, at) => `key-${at}`);
  private readonly startedMs = performance.now();
  private readonly timer: NodeJS.Timeout;
  private begun = 0;
  /** By error code: how often, and what the first of them said. */
  readonly failures = new Map<string, { count: number; readonly example: string }>();
  /** The first error that said neither NOT_APPLIED nor UNKNOWN; it breaks the contract. */
  nonsense: unknown = null;

  /** Begins at once. */
  constructor(options: LoadOptions) {
    this.options = options;
    this.timer = setInterval(() => this.beat(), BEAT_MS);
  }

  /** Sends no more; what was sent goes on. */
  stop(): void {
    clearInterval(this.timer);
  }

  private beat(): void {
    const { sendsPerSecond, ledger } = this.options;
    const due = Math.floor(((performance.now() - this.startedMs) / 1_000) * sendsPerSecond);
    for (; this.begun < due && !ledger.isFull; this.begun++) this.send(ledger.begin());
  }

  private send(record: number): void {
    const { producer, topic, ledger, valueBytes } = this.options;
    const value = Buffer.alloc(valueBytes, "x");
    value.writeUIntBE(record, 0, NUMBER_BYTES);
    producer.send({ topic, key: this.keys[record % KEYS], value }).then(
      ({ partition, offset }) => ledger.acknowledged(record, partition, offset),
      (error: unknown) => this.failed(record, error),
    );
  }

  private failed(record: number, error: unknown): void {
    const code = error instanceof VarveError ? error.code : "not a VarveError";
    const failures = this.failures.get(code) ?? { count: 0, example: String(error) };
    failures.count++;
    this.failures.set(code, failures);
    const effect = error instanceof VarveError ? error.effect : "NONE";
    if (effect === "NONE") this.nonsense ??= error;
    this.options.ledger.failed(record, effect === "NOT_APPLIED" ? "NOT_APPLIED" : "UNKNOWN");
  }
}

/** The number that a value carries. */
export function recordOf(value: Buffer | null): number {
  return value === null || value.length < NUMBER_BYTES ? -1 : value.readUIntBE(0, NUMBER_BYTES);
}
