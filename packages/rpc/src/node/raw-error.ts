/**
 * raw-error.ts: what grpc-js itself reports, without details from a broker, as VarveErrors with a truthful effect.
 *
 * grpc-js tells in words only whether a request had a connection; where the words are not known, the effect is UNKNOWN.
 */
import { type ErrorCode, VarveError } from "@varve/base";
import { decodeStatus, GRPC_STATUS, type WireStatus } from "../errors/status.js";
import type { TlsFailure } from "./client-tls.js";
import { tlsError } from "./tls-error.js";

/** No connection was there to put the request on. */
const NEVER_CONNECTED =
  /No connection established|Name resolution failed|Failed to connect|Waiting for LB pick|waiting for name resolution/;
/** grpc-js reports broken connections as INTERNAL in these words. */
const BROKEN_CONNECTION = /RST_STREAM|internal client error|stream terminated|Connection dropped|socket/i;

/** What answered speaks something else than HTTP/2. */
const NO_GRPC = /Protocol error/;
/** What grpc-js says of a resolution that went well. */
const EMPTY_NOTE = /\.? ?Resolution note: *$/;

/** Where and what the failed call was. */
export interface FailedCall {
  readonly address: string;
  readonly method: string;
  /** The caller's own signal was aborted. */
  readonly aborted: boolean;
  /** The channel was closed by this side. */
  readonly closed: boolean;
  /** Why no connection came about for TLS's sake; null: that is not why. */
  readonly tls: TlsFailure | null;
}

/** The VarveError of a failed call: the broker's own, or what the failure of the transport means. */
export function callError(status: WireStatus, call: FailedCall, cause: unknown): VarveError {
  if (call.aborted) return abortedError(call, cause);
  if (call.closed) return transportError("CLOSED", call, "the client was closed", false, "make a new client", cause);
  const sent = decodeStatus(status);
  if (sent !== null) return sent;
  if (call.tls !== null) return tlsError(call.address, call.method, call.tls, cause);
  const never = NEVER_CONNECTED.test(status.message);
  switch (status.code) {
    case GRPC_STATUS.UNAVAILABLE:
    case GRPC_STATUS.CANCELLED:
      return unreachable(call, status.message, never, cause);
    case GRPC_STATUS.DEADLINE_EXCEEDED:
      return transportError("TIMEOUT", call, "no answer before the deadline", never, "try again", cause);
    case GRPC_STATUS.RESOURCE_EXHAUSTED:
      return tooLargeOrBusy(status, call, cause);
    case GRPC_STATUS.UNIMPLEMENTED:
      return transportError(
        "INVALID_ARGUMENT",
        call,
        "the server does not have this method",
        true,
        "check the address and the versions",
        cause,
      );
    default:
      if (BROKEN_CONNECTION.test(status.message)) return unreachable(call, status.message, never, cause);
      return transportError(
        "INTERNAL",
        call,
        `status ${status.code}: ${status.message}`,
        false,
        "see the broker's log",
        cause,
      );
  }
}

export function abortedError(call: Pick<FailedCall, "address" | "method">, cause: unknown): VarveError {
  return new VarveError("ABORTED", {
    message: `${call.method} to ${call.address} was ended by its signal; it may have taken effect`,
    effect: "UNKNOWN",
    details: { address: call.address },
    cause,
  });
}

function unreachable(call: FailedCall, text: string, never: boolean, cause: unknown): VarveError {
  const why = text.replace(EMPTY_NOTE, "");
  const problem = never ? `cannot be connected to: ${why}` : `the connection broke: ${why}`;
  const advice = NO_GRPC.test(text)
    ? "something else than gRPC answers there: give the port that the broker has for clients, 7650 unless it is set otherwise"
    : "check that the broker runs and the address is right";
  return transportError("UNREACHABLE", call, problem, never, advice, cause);
}

function tooLargeOrBusy(status: WireStatus, call: FailedCall, cause: unknown): VarveError {
  if (/size larger than|larger than max/.test(status.message)) {
    const never = status.message.startsWith("Attempted to send");
    return transportError("INVALID_ARGUMENT", call, status.message, never, "send less at once", cause);
  }
  return transportError("BROKER_OVERLOADED", call, status.message, false, "try again later", cause);
}

function transportError(
  code: ErrorCode,
  call: FailedCall,
  problem: string,
  never: boolean,
  advice: string,
  cause: unknown,
): VarveError {
  const effect = never ? "NOT_APPLIED" : "UNKNOWN";
  const applied = never ? "nothing was written" : "it may have taken effect";
  return new VarveError(code, {
    message: `${call.method} to ${call.address}: ${problem}; ${applied}; ${advice}`,
    effect,
    details: { address: call.address },
    cause,
  });
}
