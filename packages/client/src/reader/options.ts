/**
 * options.ts: what a reader reads: from where, to where, how fast.
 */
import { INT31_MAX, KIB, LIMITS, MIB, NUMBER_MAX } from "@varve/base";
import type { WaitOptions } from "../options.js";
import { integerIn, invalidArgument, positive } from "../options.js";
import { checkTopicName } from "../producer/encoded-record.js";
import type { Serde } from "../records/serde.js";

/** `timeMs`: the first record that the broker appended at or after it; past the last record the same as latest. */
export type ReadFrom = "earliest" | "latest" | { readonly offset: number } | { readonly timeMs: number };
/** Exclusive. `end`: the high watermark of each partition when the reader starts. */
export type ReadTo = "end" | { readonly offset: number } | { readonly timeMs: number };

export interface ReaderOptions<T = Buffer> extends WaitOptions {
  /** What is read. */
  readonly topic: string;
  /** Numbers of the partitions to read. Default: all. */
  readonly partitions?: readonly number[] | undefined;
  /** Where reading begins: earliest, latest, `{ offset }` or `{ timeMs }`. `{ offset }` needs exactly one partition. Default earliest. */
  readonly from?: ReadFrom | undefined;
  /** Where the reader ends by itself: end, `{ offset }` or `{ timeMs }`; `{ offset }` needs one partition. Default: never, it follows. */
  readonly to?: ReadTo | undefined;
  /** Slows reading down, records per second. Default: as fast as it goes. */
  readonly maxRecordsPerSecond?: number | undefined;
  /** Batches that were fetched and not read yet, bytes, 64 KiB .. 64 MiB. Default 8 MiB. Larger: faster over slow networks. */
  readonly bufferBytesMax?: number | undefined;
  /** How bytes become values. Default: values are Buffers. */
  readonly serde?: Serde<T> | undefined;
}

export interface ReaderSettings<T> {
  readonly topic: string;
  readonly partitions: readonly number[] | null;
  readonly from: ReadFrom;
  readonly to: ReadTo | null;
  readonly maxRecordsPerSecond: number | null;
  readonly bufferBytesMax: number;
  readonly serde: Serde<T> | null;
  readonly signal: AbortSignal | undefined;
}

/** @throws VarveError INVALID_ARGUMENT, INVALID_TOPIC_NAME. */
export function readerSettings<T>(options: ReaderOptions<T>): ReaderSettings<T> {
  const { topic, partitions, from = "earliest", to = null, maxRecordsPerSecond } = options;
  checkTopicName(topic);
  checkPoint("from", from, ["earliest", "latest"]);
  if (to !== null) checkPoint("to", to, ["end"]);
  const single = isOffset(from) || (to !== null && isOffset(to));
  if (single && partitions?.length !== 1) {
    throw invalidArgument("an offset means something in one partition only; name it: partitions: [0]");
  }
  const list =
    partitions?.map((partition) => integerIn("a partition", partition, 0, LIMITS.partitionsPerTopicMax - 1)) ?? null;
  if (list !== null && new Set(list).size !== list.length) throw invalidArgument("partitions has one partition twice");
  return {
    topic,
    partitions: list,
    from,
    to,
    maxRecordsPerSecond:
      maxRecordsPerSecond === undefined ? null : positive("maxRecordsPerSecond", maxRecordsPerSecond),
    bufferBytesMax: integerIn(
      "bufferBytesMax",
      options.bufferBytesMax ?? 8 * MIB,
      64 * KIB,
      Math.min(64 * MIB, INT31_MAX),
    ),
    serde: options.serde ?? null,
    signal: options.signal,
  };
}

export function isOffset(point: ReadFrom | ReadTo): point is { readonly offset: number } {
  return typeof point === "object" && "offset" in point;
}

function checkPoint(name: string, point: unknown, words: readonly string[]): void {
  if (typeof point === "string" && words.includes(point)) return;
  if (typeof point === "object" && point !== null) {
    if ("offset" in point) return void integerIn(`${name}.offset`, point.offset as number, 0, NUMBER_MAX);
    if ("timeMs" in point && Number.isFinite(point.timeMs)) return;
  }
  throw invalidArgument(`${name} must be ${words.join(", ")}, { offset } or { timeMs }`);
}
