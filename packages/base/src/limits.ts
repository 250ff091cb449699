/**
 * limits.ts: sizes, counts and times that bound every message, queue and wait, with the defaults users rely on.
 */
export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;
export const SECOND_MS = 1_000;
export const DAY_MS = 86_400_000;

export const LIMITS = {
  /** One record, bytes, uncompressed as the producer gave it. */
  recordBytesMax: MIB,
  /** One record batch, bytes on the wire. */
  batchBytesMax: 4 * MIB,
  /** Records in one batch. */
  batchRecordsMax: 50_000,
  /** One produce request, bytes. */
  produceRequestBytesMax: 8 * MIB,
  /** One fetch answer, bytes; one oversize batch is allowed. */
  fetchBytesMax: 8 * MIB,
  partitionsPerTopicMax: 10_000,
  replicasMax: 7,
  /** Produced bytes in flight per client connection. */
  inFlightBytesPerConnectionMax: 32 * MIB,
  /** Produce requests in flight per client connection. */
  inFlightRequestsPerConnectionMax: 10_000,
  /** Produced bytes in flight per broker. */
  inFlightBytesMax: 256 * MIB,
  /** Recent committed frames kept in memory per broker. */
  tailCacheBytesMax: 64 * MIB,
  /** Committed frames not yet in segments, per broker; those of the controller and the coordinators may go beyond. */
  undrainedBytesMax: 64 * MIB,
  /** Uncommitted frames of one group. */
  uncommittedBytesPerGroupMax: 8 * MIB,
  /** Open connections of clients, per broker and per address. */
  connectionsMax: 10_000,
  connectionsPerAddressMax: 5_000,
  /** Open calls and streams of one connection. */
  streamsPerConnectionMax: 500,
  /** A connection without calls is closed after this time. */
  idleConnectionMs: 600_000,
  /** From the first byte of a client's message to its last. */
  messageMs: 30_000,
  /** Messages of clients that have begun to arrive and not ended, per broker. */
  unfinishedRequestBytesMax: 256 * MIB,
  /** What was read for clients and not yet taken by their connections, per broker. */
  responseBytesMax: 256 * MIB,
  segmentBytes: 128 * MIB,
  segmentMs: 7 * DAY_MS,
  retentionMs: 7 * DAY_MS,
  electionTimeoutMs: 1_000,
  heartbeatMs: 100,
  requestDeadlineMs: 30_000,
  producerExpiryMs: 7 * DAY_MS,
  /** Silence after which a group's coordinator takes a member for dead. */
  sessionTimeoutMs: 30_000,
} as const;
