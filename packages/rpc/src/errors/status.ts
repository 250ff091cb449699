/**
 * status.ts: VarveErrors as gRPC statuses and back: canonical code, message, and google.rpc.Status with ErrorInfo and RetryInfo.
 *
 * Invariants:
 *   S1  a VarveError comes back with code, effect, retryable, details and retryAfterMs as it went
 *   S2  what is not a VarveError becomes INTERNAL and shows nothing of its text
 * Source: google.golang.org/grpc/status; cloud.google.com/apis/design/errors.
 */
import { type Effect, ERROR_CATALOGUE, type GrpcStatusName, isErrorCode, isVarveError, VarveError } from "@varve/base";
import { ErrorInfoCodec, RetryInfoCodec, type Status, StatusCodec } from "../gen/google.js";
import type { ErrorStatus } from "../gen/varve.js";
import { decodeDetails, encodeDetails } from "./details.js";

/** Numbers of the canonical codes. */
export const GRPC_STATUS = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
} as const satisfies Record<GrpcStatusName | "OK" | "UNIMPLEMENTED", number>;

/** Trailer that carries the serialised google.rpc.Status. */
export const STATUS_DETAILS_KEY = "grpc-status-details-bin";
/** Domain of our ErrorInfo. */
export const ERROR_DOMAIN = "varve";

const ERROR_INFO_TYPE = "type.googleapis.com/google.rpc.ErrorInfo";
const RETRY_INFO_TYPE = "type.googleapis.com/google.rpc.RetryInfo";
const MESSAGE_LENGTH_MAX = 1024;
/** A server may ask for no longer a pause: timers of JavaScript fire at once beyond 2^31 ms. */
const RETRY_AFTER_MS_MAX = 3_600_000;

/** A failed call as gRPC sends it. */
export interface WireStatus {
  /** Canonical code. */
  readonly code: number;
  readonly message: string;
  /** Serialised google.rpc.Status, or null when there was none. */
  readonly details: Uint8Array | null;
}

/** Whose error it is. */
interface Call {
  /** Whether it changes nothing. */
  readonly reads: boolean;
}

/** Any thrown value as a catalogue error that may be shown to a caller (S2). */
export function publicError(thrown: unknown, { reads }: Call): VarveError {
  const error = isVarveError(thrown) && thrown.code !== "INTERNAL" ? thrown : hidden(thrown);
  return reads ? error.withEffect("NONE") : error;
}

function hidden(cause: unknown): VarveError {
  return new VarveError("INTERNAL", {
    message: "internal error; it is described in the broker's log",
    effect: isVarveError(cause) ? cause.effect : "UNKNOWN",
    cause,
  });
}

/** What a call that failed with `thrown` answers. */
export function encodeStatus(thrown: unknown, call: Call): WireStatus {
  const error = publicError(thrown, call);
  const code = GRPC_STATUS[ERROR_CATALOGUE[error.code].grpc];
  const message = error.message.slice(0, MESSAGE_LENGTH_MAX);
  const metadata = { ...encodeDetails(error.details), effect: error.effect, retryable: String(error.retryable) };
  const info = ErrorInfoCodec.encode({ reason: error.code, domain: ERROR_DOMAIN, metadata });
  const details = [{ typeUrl: ERROR_INFO_TYPE, value: info }];
  if (error.retryAfterMs !== null) {
    const retryDelay = {
      seconds: Math.floor(error.retryAfterMs / 1000),
      nanos: Math.round((error.retryAfterMs % 1000) * 1e6),
    };
    details.push({ typeUrl: RETRY_INFO_TYPE, value: RetryInfoCodec.encode({ retryDelay }) });
  }
  return { code, message, details: StatusCodec.encode({ code, message, details }) };
}

/** The VarveError that was encoded, or null when `wire` has no details that are ours and can be read. */
export function decodeStatus(wire: WireStatus): VarveError | null {
  try {
    return wire.details === null ? null : restoreStatus(wire, StatusCodec.decode(wire.details));
  } catch (error) {
    if (isVarveError(error)) return null;
    throw error;
  }
}

function restoreStatus(wire: WireStatus, status: Status): VarveError | null {
  const info = status.details.find(({ typeUrl }) => typeUrl === ERROR_INFO_TYPE);
  if (info === undefined) return null;
  const { reason, domain, metadata } = ErrorInfoCodec.decode(info.value);
  if (domain !== ERROR_DOMAIN) return null;
  const { effect, retryable, ...details } = metadata;
  const retry = status.details.find(({ typeUrl }) => typeUrl === RETRY_INFO_TYPE);
  const delay = retry === undefined ? null : RetryInfoCodec.decode(retry.value).retryDelay;
  return restore({
    code: wire.code,
    reason,
    message: status.message === "" ? wire.message : status.message,
    effect: effect ?? "",
    retryable: retryable === "true",
    details,
    retryAfterMs: delay === null ? null : delay.seconds * 1000 + delay.nanos / 1e6,
  });
}

/** The same error inside a stream that goes on. */
export function toErrorStatus(thrown: unknown, call: Call): ErrorStatus {
  const error = publicError(thrown, call);
  return {
    code: GRPC_STATUS[ERROR_CATALOGUE[error.code].grpc],
    reason: error.code,
    message: error.message.slice(0, MESSAGE_LENGTH_MAX),
    effect: error.effect,
    retryable: error.retryable,
    retryAfterMs: error.retryAfterMs === null ? null : Math.ceil(error.retryAfterMs),
    details: encodeDetails(error.details),
  };
}

export function fromErrorStatus(status: ErrorStatus): VarveError {
  return restore(status);
}

/** A code that is newer than this client becomes INTERNAL with its name in the details; effect and retryable stay true. */
function restore(status: ErrorStatus): VarveError {
  const { reason, message, retryable, retryAfterMs } = status;
  const effect = isEffect(status.effect) ? status.effect : "UNKNOWN";
  const details = decodeDetails(status.details);
  const known = isErrorCode(reason);
  return new VarveError(known ? reason : "INTERNAL", {
    message: known ? message : `${reason}: ${message}`,
    details: known ? details : { ...details, reason },
    effect,
    retryable,
    ...(retryAfterMs === null ? {} : { retryAfterMs: Math.min(Math.max(0, retryAfterMs), RETRY_AFTER_MS_MAX) }),
  });
}

function isEffect(text: string): text is Effect {
  return text === "NOT_APPLIED" || text === "UNKNOWN" || text === "NONE";
}
