/** reader.ts: follows a topic from its start and writes down what it sees, in portions; begins anew after an error. */
import type { Reader, Varve, VarveRecord } from "@varve/client";
import { pause } from "../clock.js";
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

/** Reads until `signal` is aborted. */
export async function readUntil(signal: AbortSignal, options: ReaderOptions): Promise<void> {
  for (let life = 0; !signal.aborted; life++) {
    const proc = new Proc(options.recorder, `${options.name}.${life}`);
    await follow(signal, options, proc);
    await pause(AGAIN_MS, signal);
  }
}

async function follow(signal: AbortSignal, options: ReaderOptions, proc: Proc): Promise<void> {
  const { varve, topic, partitions } = options;
  const parts = Array.from({ length: partitions }, (_, partition) => ({ topic, partition, epoch: 0, startOffset: 0 }));
  await proc.operate(
    "assign",
    {},
    async () => {},
    () => ({ partitions: parts }),
  );
  const over = new AbortController();
  const portions = new Portions(varve.reader({ topic, from: "earliest", signal: over.signal }));
  let goesOn = true;
  while (goesOn && !signal.aborted) {
    const records = await proc.operate(
      "poll",
      { topics: [topic] },
      () => portions.next(signal),
      (portion) => ({ records: portion.map(shown) }),
    );
    goesOn = records !== null;
  }
  over.abort();
}

/** A record as histories have it. */
export function shown(record: VarveRecord): Readonly<Record<string, unknown>> {
  const { topic, partition, offset, key, value } = record;
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
