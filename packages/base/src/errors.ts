/**
 * errors.ts: the one catalogue of errors. A code is never renamed or reused; new rows may be added.
 *
 * `effect` answers the question a caller has first: did the write happen? Reads say NONE.
 */

/** Whether a write took effect. NOT_APPLIED: it did not and never will. UNKNOWN: it may have. NONE: nothing was written. */
export type Effect = "NOT_APPLIED" | "UNKNOWN" | "NONE";

/** What a caller may do about an error. `refresh`: find the leader again, then retry. `idempotent`: only if a repeat is recognised. */
export type RetryRule = "never" | "refresh" | "backoff" | "idempotent";

/** Names of the canonical gRPC status codes in use. */
export type GrpcStatusName =
  | "CANCELLED"
  | "UNKNOWN"
  | "INVALID_ARGUMENT"
  | "DEADLINE_EXCEEDED"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "RESOURCE_EXHAUSTED"
  | "FAILED_PRECONDITION"
  | "ABORTED"
  | "OUT_OF_RANGE"
  | "INTERNAL"
  | "UNAVAILABLE"
  | "DATA_LOSS";

export interface ErrorPolicy {
  /** Canonical gRPC status of this error. */
  readonly grpc: GrpcStatusName;
  /** Apache Kafka error code that a Kafka listener would answer with. */
  readonly kafka: number;
  /** AMQP 0-9-1 reply code that an AMQP listener would answer with. */
  readonly amqp: number;
  /** What the error says about the write when its thrower says nothing else. */
  readonly effect: Effect;
  readonly retry: RetryRule;
}

function row(grpc: GrpcStatusName, kafka: number, amqp: number, effect: Effect, retry: RetryRule): ErrorPolicy {
  return { grpc, kafka, amqp, effect, retry };
}

export const ERROR_CATALOGUE = {
  UNKNOWN_TOPIC: row("NOT_FOUND", 3, 404, "NOT_APPLIED", "never"),
  UNKNOWN_PARTITION: row("NOT_FOUND", 3, 404, "NOT_APPLIED", "never"),
  UNKNOWN_TOPIC_ID: row("NOT_FOUND", 100, 404, "NOT_APPLIED", "never"),
  TOPIC_EXISTS: row("ALREADY_EXISTS", 36, 406, "NOT_APPLIED", "never"),
  INVALID_TOPIC_NAME: row("INVALID_ARGUMENT", 17, 503, "NOT_APPLIED", "never"),
  INVALID_PARTITIONS: row("INVALID_ARGUMENT", 37, 503, "NOT_APPLIED", "never"),
  INVALID_REPLICATION: row("INVALID_ARGUMENT", 38, 503, "NOT_APPLIED", "never"),
  INVALID_CONFIG: row("INVALID_ARGUMENT", 40, 503, "NOT_APPLIED", "never"),
  RECORD_TOO_LARGE: row("INVALID_ARGUMENT", 10, 501, "NOT_APPLIED", "never"),
  BATCH_TOO_LARGE: row("INVALID_ARGUMENT", 10, 501, "NOT_APPLIED", "never"),
  CORRUPT_BATCH: row("INVALID_ARGUMENT", 2, 501, "NOT_APPLIED", "never"),
  INVALID_BATCH: row("INVALID_ARGUMENT", 87, 501, "NOT_APPLIED", "never"),
  UNSUPPORTED_CODEC: row("INVALID_ARGUMENT", 76, 540, "NOT_APPLIED", "never"),
  NOT_LEADER: row("FAILED_PRECONDITION", 6, 541, "NOT_APPLIED", "refresh"),
  FENCED_EPOCH: row("FAILED_PRECONDITION", 74, 541, "NOT_APPLIED", "refresh"),
  UNKNOWN_EPOCH: row("FAILED_PRECONDITION", 75, 541, "NOT_APPLIED", "refresh"),
  OUT_OF_ORDER_SEQUENCE: row("FAILED_PRECONDITION", 45, 406, "NOT_APPLIED", "never"),
  FENCED_PRODUCER: row("FAILED_PRECONDITION", 47, 403, "NOT_APPLIED", "never"),
  NOT_ENOUGH_REPLICAS: row("UNAVAILABLE", 19, 541, "NOT_APPLIED", "backoff"),
  BROKER_OVERLOADED: row("RESOURCE_EXHAUSTED", 89, 506, "NOT_APPLIED", "backoff"),
  DISK_FULL: row("RESOURCE_EXHAUSTED", 56, 506, "NOT_APPLIED", "backoff"),
  SHUTTING_DOWN: row("UNAVAILABLE", 8, 320, "NOT_APPLIED", "backoff"),
  COMMIT_UNKNOWN: row("UNAVAILABLE", 20, 541, "UNKNOWN", "idempotent"),
  TIMEOUT: row("DEADLINE_EXCEEDED", 7, 541, "UNKNOWN", "idempotent"),
  OFFSET_OUT_OF_RANGE: row("OUT_OF_RANGE", 1, 406, "NONE", "never"),
  DIVERGED: row("OUT_OF_RANGE", 76, 406, "NONE", "never"),
  UNKNOWN_GROUP: row("NOT_FOUND", 69, 404, "NOT_APPLIED", "never"),
  INVALID_GROUP_NAME: row("INVALID_ARGUMENT", 24, 503, "NOT_APPLIED", "never"),
  GROUP_NOT_EMPTY: row("FAILED_PRECONDITION", 68, 406, "NOT_APPLIED", "never"),
  UNKNOWN_MEMBER: row("FAILED_PRECONDITION", 25, 406, "NOT_APPLIED", "refresh"),
  FENCED_MEMBER: row("FAILED_PRECONDITION", 110, 403, "NOT_APPLIED", "refresh"),
  FENCED_INSTANCE: row("FAILED_PRECONDITION", 82, 403, "NOT_APPLIED", "never"),
  STALE_ASSIGNMENT: row("FAILED_PRECONDITION", 113, 406, "NOT_APPLIED", "refresh"),
  COORDINATOR_LOADING: row("UNAVAILABLE", 14, 541, "NOT_APPLIED", "backoff"),
  UNREACHABLE: row("UNAVAILABLE", 13, 541, "NOT_APPLIED", "backoff"),
  CLOSED: row("FAILED_PRECONDITION", -1, 504, "NOT_APPLIED", "never"),
  ABORTED: row("CANCELLED", -1, 504, "NOT_APPLIED", "never"),
  INVALID_ARGUMENT: row("INVALID_ARGUMENT", 42, 503, "NOT_APPLIED", "never"),
  INTERNAL: row("INTERNAL", -1, 541, "UNKNOWN", "never"),
  /** A replica found damage in its own files and no longer serves; the others go on. */
  REPLICA_QUARANTINED: row("UNAVAILABLE", 56, 541, "NOT_APPLIED", "refresh"),
  /** The data directory cannot be used: unwritable, locked, of a newer format, of another cluster. */
  DATA_DIR_UNUSABLE: row("FAILED_PRECONDITION", -1, 541, "NONE", "never"),
  /** An address to listen on is taken or not ours. */
  ADDRESS_UNUSABLE: row("FAILED_PRECONDITION", -1, 541, "NONE", "never"),
} as const satisfies Record<string, ErrorPolicy>;

export type ErrorCode = keyof typeof ERROR_CATALOGUE;

/** Facts for programs: offsets, limits, addresses. Values stay small; never secrets, never stacks. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;

export interface VarveErrorOptions {
  /** Says what happened, to what, and what to do. */
  readonly message: string;
  readonly details?: ErrorDetails;
  /** Overrides the catalogue's effect where the thrower knows better. */
  readonly effect?: Effect;
  /** Overrides whether the same call may be tried again. */
  readonly retryable?: boolean;
  /** Wait at least this long before a retry, milliseconds (RetryInfo on the wire). */
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

/** The only error type that crosses a package or process border on purpose. */
export class VarveError extends Error {
  override readonly name = "VarveError";
  readonly code: ErrorCode;
  readonly effect: Effect;
  readonly retryable: boolean;
  readonly details: ErrorDetails;
  readonly retryAfterMs: number | null;

  constructor(code: ErrorCode, options: VarveErrorOptions) {
    super(options.message, options.cause === undefined ? undefined : { cause: options.cause });
    const policy: ErrorPolicy = ERROR_CATALOGUE[code];
    this.code = code;
    this.effect = options.effect ?? policy.effect;
    this.retryable = options.retryable ?? (policy.retry === "backoff" || policy.retry === "refresh");
    this.details = options.details ?? {};
    this.retryAfterMs = options.retryAfterMs ?? null;
  }

  /** The same error seen from a call with another effect, for example a read or a call with several attempts. */
  withEffect(effect: Effect): VarveError {
    if (effect === this.effect) return this;
    return new VarveError(this.code, {
      message: this.message,
      details: this.details,
      effect,
      retryable: this.retryable,
      ...(this.retryAfterMs === null ? {} : { retryAfterMs: this.retryAfterMs }),
      cause: this.cause ?? this,
    });
  }
}

export function isVarveError(value: unknown): value is VarveError {
  return value instanceof VarveError;
}

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERROR_CATALOGUE, text);
}

/** Any thrown value as a VarveError; what is not one becomes INTERNAL with the given effect and keeps its cause. */
export function toVarveError(thrown: unknown, effect: Effect = "UNKNOWN"): VarveError {
  if (thrown instanceof VarveError) return thrown;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return new VarveError("INTERNAL", { message: `internal error: ${text}`, effect, cause: thrown });
}
