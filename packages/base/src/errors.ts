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

/** One row a code. Its comment is its entry in ERRORS.md: what happened, then, after "Do:", what to do; `npm run docs` copies both. */
export const ERROR_CATALOGUE = {
  /**
   * There is no topic of that name. Final only after the controller's leader said so.
   * Do: create it with `varve topic create NAME`, or correct the name.
   */
  UNKNOWN_TOPIC: row("NOT_FOUND", 3, 404, "NOT_APPLIED", "never"),
  /**
   * The topic has no partition of that number; details `partitions` says how many it has.
   * Do: use a number below `partitions`, or add partitions.
   */
  UNKNOWN_PARTITION: row("NOT_FOUND", 3, 404, "NOT_APPLIED", "never"),
  /**
   * No topic has that id: it was deleted, or deleted and made again under the same name.
   * Do: look the name up again; a reader of the old topic is made anew.
   */
  UNKNOWN_TOPIC_ID: row("NOT_FOUND", 100, 404, "NOT_APPLIED", "never"),
  /**
   * A topic of that name is there already; details `topicId`.
   * Do: create it with `ifNotExists`, or choose another name.
   */
  TOPIC_EXISTS: row("ALREADY_EXISTS", 36, 406, "NOT_APPLIED", "never"),
  /**
   * The name is not 1 to 249 of the characters `A-Z a-z 0-9 . _ -`, is `.` or `..`, or begins with `__`, which is reserved.
   * Do: choose another name.
   */
  INVALID_TOPIC_NAME: row("INVALID_ARGUMENT", 17, 503, "NOT_APPLIED", "never"),
  /**
   * The number of partitions is no whole number in the allowed range, is smaller than it is now, or does not fit into the cluster.
   * Do: choose a number within the limits in `details`; partitions can be added, never removed.
   */
  INVALID_PARTITIONS: row("INVALID_ARGUMENT", 37, 503, "NOT_APPLIED", "never"),
  /**
   * The number of replicas is not 1 .. 7, or greater than the number of brokers; each replica needs a broker of its own.
   * Do: ask for fewer replicas, or start more brokers first.
   */
  INVALID_REPLICATION: row("INVALID_ARGUMENT", 38, 503, "NOT_APPLIED", "never"),
  /**
   * Settings of a topic or of a broker are unknown, of the wrong type or out of range; details `problems` lists all of them.
   * Do: correct them; `varve config reference` prints every setting of a broker.
   */
  INVALID_CONFIG: row("INVALID_ARGUMENT", 40, 503, "NOT_APPLIED", "never"),
  /**
   * One record has more bytes than the limit; details `recordBytes`, `recordBytesMax`.
   * Do: split it, or store it elsewhere and send where it is.
   */
  RECORD_TOO_LARGE: row("INVALID_ARGUMENT", 10, 501, "NOT_APPLIED", "never"),
  /**
   * A batch has more bytes than the broker or the topic allows, as sent or decompressed; details `batchBytes`, `batchBytesMax`.
   * Do: send fewer records per batch (the producer's `batchBytes`), or raise the topic's `batchBytesMax`.
   */
  BATCH_TOO_LARGE: row("INVALID_ARGUMENT", 10, 501, "NOT_APPLIED", "never"),
  /**
   * Bytes that should be a record batch or a stored frame fail their checksum or their structure.
   * Do: encode the batch again from its records; if it repeats, suspect the sender's encoder, memory or network.
   */
  CORRUPT_BATCH: row("INVALID_ARGUMENT", 2, 501, "NOT_APPLIED", "never"),
  /**
   * An intact batch breaks a rule of the format or of this cluster, such as too many records; at a consumer: a value that its serde
   * cannot decode.
   * Do: correct the encoder or the serde, or seek past the record; details `problem`.
   */
  INVALID_BATCH: row("INVALID_ARGUMENT", 87, 501, "NOT_APPLIED", "never"),
  /**
   * The batch names a compression that the format does not have, or that this process cannot do.
   * Do: use none, gzip, snappy, lz4 or zstd.
   */
  UNSUPPORTED_CODEC: row("INVALID_ARGUMENT", 76, 540, "NOT_APPLIED", "never"),
  /**
   * The broker does not lead the partition, the group's coordinator or the controller, or a new leader replaced what was not
   * committed yet; details `leader`, null when none is known.
   * Do: refresh metadata and send it to the leader. The SDK does so by itself.
   */
  NOT_LEADER: row("FAILED_PRECONDITION", 6, 541, "NOT_APPLIED", "refresh"),
  /**
   * The request names a leader epoch that is past.
   * Do: refresh metadata and send it again. The SDK does so by itself.
   */
  FENCED_EPOCH: row("FAILED_PRECONDITION", 74, 541, "NOT_APPLIED", "refresh"),
  /**
   * The request names a leader epoch that this broker has not reached yet.
   * Do: refresh metadata and send it again. The SDK does so by itself.
   */
  UNKNOWN_EPOCH: row("FAILED_PRECONDITION", 75, 541, "NOT_APPLIED", "refresh"),
  /**
   * An idempotent batch does not follow the last one of its producer: batches before it are missing; details `sequence`,
   * `expectedSequence`.
   * Do: with the SDK nothing: it raises the producer's epoch and begins at sequence 0; a client of its own asks InitProducer for a
   * new epoch.
   */
  OUT_OF_ORDER_SEQUENCE: row("FAILED_PRECONDITION", 45, 406, "NOT_APPLIED", "never"),
  /**
   * A newer epoch of the same producer id has written to the partition.
   * Do: make a new producer; never let two write under one producer id.
   */
  FENCED_PRODUCER: row("FAILED_PRECONDITION", 47, 403, "NOT_APPLIED", "never"),
  /**
   * Nobody leads the partition or the controller, since a majority of its replicas cannot be reached; or the broker does not belong
   * to a cluster yet.
   * Do: retry; if it lasts, `varve cluster health` says which brokers are missing.
   */
  NOT_ENOUGH_REPLICAS: row("UNAVAILABLE", 19, 541, "NOT_APPLIED", "backoff"),
  /**
   * A bound was reached: bytes or commands in flight, frames that wait for the disk, sends that wait in the producer, groups, or
   * members or offsets of a group. The message says which.
   * Do: wait as long as the error says and send again; for bounds of groups, delete some or spread them. Gauge:
   * `varve_memory_bound_used_bytes`.
   */
  BROKER_OVERLOADED: row("RESOURCE_EXHAUSTED", 89, 506, "NOT_APPLIED", "backoff"),
  /**
   * The leader has less free disk space than `storage.diskReserveBytes`. Reads, metadata and elections go on.
   * Do: free space or shorten retention, then send it again.
   */
  DISK_FULL: row("RESOURCE_EXHAUSTED", 56, 506, "NOT_APPLIED", "backoff"),
  /**
   * The broker is stopping; others take over.
   * Do: send it again, to another broker. The SDK does so by itself.
   */
  SHUTTING_DOWN: row("UNAVAILABLE", 8, 320, "NOT_APPLIED", "backoff"),
  /**
   * The leader changed after the write had left and before it was committed: it may or may not be there.
   * Do: an idempotent producer and the SDK's own calls may repeat it, which is recognised; else look before you repeat it.
   */
  COMMIT_UNKNOWN: row("UNAVAILABLE", 20, 541, "UNKNOWN", "idempotent"),
  /**
   * No result within the deadline; what was on its way may still take effect.
   * Do: as for COMMIT_UNKNOWN; a longer `requestDeadlineMs` or `deliveryTimeoutMs` rides out longer outages.
   */
  TIMEOUT: row("DEADLINE_EXCEEDED", 7, 541, "UNKNOWN", "idempotent"),
  /**
   * The offset lies below the log's start, as retention deleted it, or beyond its end; details `logStart`, `highWatermark`,
   * `safeOffset`.
   * Do: go on from `safeOffset`, or choose earliest or latest; for a consumer `onOutOfRange`, or seek the group.
   */
  OFFSET_OUT_OF_RANGE: row("OUT_OF_RANGE", 1, 406, "NONE", "never"),
  /**
   * What was read of a partition in an earlier leader epoch is not what its log holds; both agree below `safeOffset` in the
   * details.
   * Do: go on from `safeOffset`.
   */
  DIVERGED: row("OUT_OF_RANGE", 1, 406, "NONE", "never"),
  /**
   * There is no such group: it has no members and has committed nothing.
   * Do: look with `varve group list`; a group comes into being when a member joins or offsets are committed for it.
   */
  UNKNOWN_GROUP: row("NOT_FOUND", 69, 404, "NOT_APPLIED", "never"),
  /**
   * The name is not 1 to 249 of the characters `A-Z a-z 0-9 . _ -`, is `.` or `..`, or begins with `__`, which is reserved.
   * Do: choose another name.
   */
  INVALID_GROUP_NAME: row("INVALID_ARGUMENT", 24, 503, "NOT_APPLIED", "never"),
  /**
   * The group has members, so it cannot be deleted, and nobody but they may commit.
   * Do: stop its members first; to move a running group, seek it.
   */
  GROUP_NOT_EMPTY: row("FAILED_PRECONDITION", 68, 406, "NOT_APPLIED", "never"),
  /**
   * The member is none of the group: it left, or its session timed out.
   * Do: join again. The SDK does so by itself.
   */
  UNKNOWN_MEMBER: row("FAILED_PRECONDITION", 25, 406, "NOT_APPLIED", "refresh"),
  /**
   * The member came with an epoch that is not its own: it was taken for dead meanwhile, or another speaks in its name.
   * Do: drop the partitions and join again. The SDK does so by itself.
   */
  FENCED_MEMBER: row("FAILED_PRECONDITION", 110, 403, "NOT_APPLIED", "refresh"),
  /**
   * A newer member has taken over the same static id.
   * Do: give each running instance a static id of its own; this one must stop.
   */
  FENCED_INSTANCE: row("FAILED_PRECONDITION", 82, 403, "NOT_APPLIED", "never"),
  /**
   * The commit is for a partition that is not assigned to the member any more, or was given anew since, as by a live seek. All of
   * the commit was refused.
   * Do: nothing: the records go to the present owner, from the committed offset. The SDK takes over the new assignment by itself.
   */
  STALE_ASSIGNMENT: row("FAILED_PRECONDITION", 113, 406, "NOT_APPLIED", "refresh"),
  /**
   * Nobody coordinates the group at this moment: its leader changes, or a majority of its replicas cannot be reached.
   * Do: retry; it passes with the election. The SDK does so by itself.
   */
  COORDINATOR_LOADING: row("UNAVAILABLE", 14, 541, "NOT_APPLIED", "backoff"),
  /**
   * A broker cannot be connected to, or the connection broke. NOT_APPLIED only if the request never left; else UNKNOWN.
   * Do: check that the broker runs and that the address is right. The SDK tries other brokers until its deadline.
   */
  UNREACHABLE: row("UNAVAILABLE", 13, 541, "NOT_APPLIED", "backoff"),
  /**
   * No TLS connection to the address came about; details `reason` is `unknown-authority`, `expired`, `not-yet-valid`, `wrong-name`,
   * `plaintext` (what answers speaks no TLS), `tls-required` (the client speaks none), `client-certificate-missing`, `client-certificate-refused`, `files` or `handshake`.
   * Do: what the message says: correct `tls` of the client, or the certificate. The SDK tries the other brokers first, and gives up when
   * each of them fails so.
   */
  TLS_FAILED: row("UNAVAILABLE", 13, 541, "NOT_APPLIED", "never"),
  /**
   * The client, producer, reader, consumer or stream was closed before.
   * Do: make a new one.
   */
  CLOSED: row("FAILED_PRECONDITION", -1, 504, "NOT_APPLIED", "never"),
  /**
   * The caller's `signal` ended the wait, or the caller went away. UNKNOWN for a write that had left.
   * Do: nothing, it was asked for; look at `effect` before you repeat a write.
   */
  ABORTED: row("CANCELLED", -1, 504, "NOT_APPLIED", "never"),
  /**
   * A value in the request or the options is not allowed; the message names it.
   * Do: correct the call.
   */
  INVALID_ARGUMENT: row("INVALID_ARGUMENT", 42, 503, "NOT_APPLIED", "never"),
  /**
   * Something that nobody expected. Brokers send no text of it; their logs have it.
   * Do: look into the broker's log, or at `cause`, and report it.
   */
  INTERNAL: row("INTERNAL", -1, 541, "UNKNOWN", "never"),
  /**
   * A replica found damage in its own files and no longer serves; the others go on.
   * Do: send it again, to the leader; `varve log inspect` shows the damage.
   */
  REPLICA_QUARANTINED: row("UNAVAILABLE", 56, 541, "NOT_APPLIED", "refresh"),
  /**
   * The data directory cannot be used: unwritable, locked, damaged, of a newer format, of another broker or cluster, or a disk that
   * went back in time.
   * Do: what the message says; give the broker its own directory back, or an empty one under a new broker id.
   */
  DATA_DIR_UNUSABLE: row("FAILED_PRECONDITION", -1, 541, "NONE", "never"),
  /**
   * An address to listen on is taken or not ours.
   * Do: stop what listens there, or choose another address or port.
   */
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

/** What messages say of the effect of a write, in the same words everywhere. */
const WORDS = { NOT_APPLIED: "; nothing was written", UNKNOWN: "; it may have taken effect" } as const;
const OF_WRITES = /; (?:nothing was written|it may have taken effect)(?=;|$)/g;

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

  /** The same error seen from a call with another effect, for example a read or a call with several attempts; its words follow the effect. */
  withEffect(effect: Effect): VarveError {
    const message = this.message.replaceAll(OF_WRITES, effect === "NONE" ? "" : WORDS[effect]);
    if (effect === this.effect && message === this.message) return this;
    return new VarveError(this.code, {
      message,
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
