/** index.ts: what every other package may rely on: ids, limits, assertions, the error catalogue and the ports. */
export { onAbort } from "./abort.js";
export { AssertionError, assert, assertDefined, unreachable } from "./assert.js";
export {
  type Effect,
  ERROR_CATALOGUE,
  type ErrorCode,
  type ErrorDetails,
  type ErrorPolicy,
  type GrpcStatusName,
  isErrorCode,
  isVarveError,
  type RetryRule,
  toVarveError,
  VarveError,
  type VarveErrorOptions,
} from "./errors.js";
export { HASH_SPACE, type HashRange, hashRangesProblem, initialRanges, splitWidest } from "./hash-ranges.js";
export * from "./ids.js";
export { DAY_MS, GIB, KIB, LIMITS, MIB, SECOND_MS } from "./limits.js";
export { type Clock, delay, type TimerHandle } from "./ports/clock.js";
export {
  COMPRESSION_IDS,
  type Codec,
  type CompressionKind,
  compressionKindOf,
  isCompressionKind,
} from "./ports/codec.js";
export type { Disk, DiskFile, DiskLock } from "./ports/disk.js";
export {
  assertKey,
  assertKeyPrefix,
  KEY_BYTES_MAX,
  type KeyValue,
  type KeyValueChange,
  type KeyValueOpener,
} from "./ports/key-value.js";
export type { Link, LinkCloseReason, LinkConnection, LinkHandlers, LinkListener } from "./ports/link.js";
export { type Logger, silentLogger } from "./ports/logger.js";
export { type Random, randomBelow, randomUuid } from "./ports/random.js";
export type { WalCommand, WalThread } from "./ports/wal-thread.js";
/** Readers of parsed JSON. */
export * as shape from "./shape.js";
