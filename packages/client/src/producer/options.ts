/**
 * options.ts: the settings of a producer, with their consequences.
 */
import { type CompressionKind, INT31_MAX, isCompressionKind, KIB, LIMITS, MIB } from "@varve/base";
import { integerIn, invalidArgument } from "../options.js";
import type { Data, HeadersInput } from "../records/input.js";
import type { Serde } from "../records/serde.js";

/** When a record counts as sent. */
export type AcksName = "quorum" | "leader" | "none";
/** `range`: keys stay where they are when partitions are added. `modulo`: as Kafka's clients place them. */
export type PartitionerName = "range" | "modulo";

export interface ProducerOptions<T = Data> {
  /**
   * `quorum` (default): flushed by most replicas. `leader`: flushed by the leader; may be lost when another takes over. `none`: no
   * answer is awaited, offsets are -1, records may be lost at any failure and are not idempotent.
   */
  readonly acks?: AcksName | undefined;
  /** Wait for more records before a batch that is not full leaves, ms, 0 .. 60,000, at most half of deliveryTimeoutMs. Default 5. Larger: fewer, larger batches. */
  readonly lingerMs?: number | undefined;
  /** Size at which a batch leaves at once, bytes before compression, 1 KiB .. 4 MiB. Default 256 KiB. */
  readonly batchBytes?: number | undefined;
  /** How batches are compressed: none, gzip, snappy, lz4 or zstd. Default none. */
  readonly compression?: CompressionKind | undefined;
  /** Records in memory that are not acknowledged yet, bytes, and 512 for each; beyond it `send` waits. Default 64 MiB. */
  readonly bufferBytesMax?: number | undefined;
  /** How long a record is tried, from `send` on, ms; waiting for room counts. Default 30,000. Longer: rides out longer outages. */
  readonly deliveryTimeoutMs?: number | undefined;
  /** How keys choose partitions: `range` or `modulo`, as Kafka's clients do. Default range. */
  readonly partitioner?: PartitionerName | undefined;
  /** How values become bytes. Default: text, numbers and bytes as they are. */
  readonly serde?: Serde<T> | undefined;
}

/** A record to send. */
export interface RecordToSend<T = Data> {
  /** Decides the partition; records with one key stay in order. null or none: any partition. */
  readonly key?: Data | null | undefined;
  readonly value?: T | null | undefined;
  readonly headers?: HeadersInput | undefined;
  /** Milliseconds since 1970. Default: now. */
  readonly timestampMs?: number | undefined;
  /** Overrides the choice by key. */
  readonly partition?: number | undefined;
}

/** Where a record is. */
export interface SendResult {
  readonly partition: number;
  /** -1 with acks none. */
  readonly offset: number;
  /** Leader epoch that the record was written in. */
  readonly epoch: number;
}

export interface ProducerSettings<T> {
  readonly acks: AcksName;
  readonly lingerMs: number;
  readonly batchBytes: number;
  readonly compression: CompressionKind;
  readonly bufferBytesMax: number;
  readonly deliveryTimeoutMs: number;
  readonly partitioner: PartitionerName;
  readonly serde: Serde<T> | null;
}

/** @throws VarveError INVALID_ARGUMENT. */
export function producerSettings<T>(options: ProducerOptions<T>): ProducerSettings<T> {
  const { acks = "quorum", compression = "none", partitioner = "range", serde = null } = options;
  if (!["quorum", "leader", "none"].includes(acks))
    throw invalidArgument(`acks is ${acks}; quorum, leader or none are possible`);
  if (!["range", "modulo"].includes(partitioner))
    throw invalidArgument(`partitioner is ${partitioner}; range or modulo are possible`);
  if (!isCompressionKind(compression))
    throw invalidArgument(`compression is ${String(compression)}; none, gzip, snappy, lz4 or zstd are possible`);
  return {
    acks,
    compression,
    partitioner,
    serde,
    lingerMs: integerIn("lingerMs", options.lingerMs ?? 5, 0, 60_000),
    batchBytes: integerIn("batchBytes", options.batchBytes ?? 256 * KIB, KIB, LIMITS.batchBytesMax),
    bufferBytesMax: integerIn("bufferBytesMax", options.bufferBytesMax ?? 64 * MIB, KIB, Number.MAX_SAFE_INTEGER),
    deliveryTimeoutMs: integerIn(
      "deliveryTimeoutMs",
      options.deliveryTimeoutMs ?? LIMITS.requestDeadlineMs,
      1,
      INT31_MAX,
    ),
  };
}
