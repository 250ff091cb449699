/** reader.ts: follows a topic from its start and writes down what it sees, in portions; begins anew after an error. */
import type { Reader, Varve, VarveRecord } from "@varve/client";
import { pause } from "../clock.js";
import type { PolledRecord } from "../history/index.js";
import { Proc, type Recorder } from "../recorder.js";

/** Records of one `poll` in the history, and the longest time that it collects them. */
const POLL_RECORDS_MAX = 200;
const POLL_MS = 200;
const AGAIN_MS = 200;

export interface ReaderOptions {
  readonly varve: Varve;
  readonly recorder: Recorder;
  readonly name: string;
  readonly topic: string;
  readonly partitions: number;
}

export class FollowingReader {
  readonly name: string;
  /** By partition: one past the last record that it has seen. */
  readonly reached: number[];
  private readonly options: ReaderOptions;
  private readonly over = new AbortController();
  private readonly done: Promise<void>;

  /** Begins at once. */
  constructor(options: ReaderOptions) {
    this.options = options;
    this.name = options.name;
    this.reached = Array.from({ length: options.partitions }, () => 0);
    this.done = this.followAgain();
  }

  async stop(): Promise<void> {
    this.over.abort();
    await this.done;
  }

  private async followAgain(): Promise<void> {
    const { signal } = this.over;
    for (let life = 1; !signal.aborted; life++) {
      await this.follow(new Proc(this.options.recorder, `${this.name}.${life}`));
      await pause(AGAIN_MS, signal);
    }
  }

  /** One reader of the SDK, until it fails or this one is stopped. */
  private async follow(proc: Proc): Promise<void> {
    const { varve, topic } = this.options;
    const given = this.reached.map((_, partition) => ({ topic, partition, epoch: null, startOffset: 0 }));
    await proc.operate(
      "assign",
      { group: null },
      async () => given,
      (partitions) => ({ partitions }),
    );
    const over = new AbortController();
    const portions = new Portions(varve.reader({ topic, from: "earliest", signal: over.signal }));
    for (let goesOn = true; goesOn && !this.over.signal.aborted; ) {
      const records = await proc.operate(
        "poll",
        { topics: [topic], group: null },
        () => portions.next(this.over.signal),
        (portion) => ({ records: portion.map(polled) }),
      );
      for (const { partition, offset } of records ?? []) this.reached[partition] = offset + 1;
      goesOn = records !== null;
    }
    over.abort();
  }
}

/** A record as histories have it. */
export function polled({ topic, partition, offset, key, value }: VarveRecord): PolledRecord {
  return { topic, partition, offset, key: key?.toString() ?? null, value: value?.toString() ?? null };
}

/** What a reader hands out, in portions; a record that arrives after a portion is over opens the next one. */
class Portions {
  private readonly records: AsyncIterator<VarveRecord>;
  private pending: Promise<IteratorResult<VarveRecord>> | null = null;

  constructor(reader: Reader) {
    this.records = reader[Symbol.asyncIterator]();
  }

  /** What comes within the portion's time; less when `signal` is aborted. */
  async next(signal: AbortSignal): Promise<VarveRecord[]> {
    const portion: VarveRecord[] = [];
    const isOver = pause(POLL_MS, signal);
    while (portion.length < POLL_RECORDS_MAX) {
      if (this.pending === null) {
        this.pending = this.records.next();
        this.pending.catch(() => {}); // Heard where it is awaited; after the last portion nobody does.
      }
      const result = await Promise.race([this.pending, isOver]);
      if (result === undefined) break;
      this.pending = null;
      if (result.done === true) throw new Error("a reader that follows has ended");
      portion.push(result.value);
    }
    return portion;
  }
}
