/**
 * forwarding.ts: carries a call to the broker that can answer it, over the peer link, and its error back whole.
 *
 * Payload of a forwarded call: method number u16 little-endian, then the request as an envelope.
 */
import {
  type BrokerId,
  type Effect,
  type ErrorCode,
  type ErrorDetails,
  isErrorCode,
  shape,
  toVarveError,
  VarveError,
} from "@varve/base";
import type { PeerHub } from "@varve/peer";
import { PeerMethod } from "../peer-kinds.js";
import { decodeJson, encodeJson } from "./json-payload.js";

interface WireError {
  readonly code: string;
  readonly message: string;
  readonly effect: Effect;
  readonly retryable: boolean;
  readonly retryAfterMs: number | null;
  readonly details: ErrorDetails;
}

/** An error of this broker as bytes; nothing but catalogue errors keeps its text. */
export function encodeError(thrown: unknown): Uint8Array {
  const error = toVarveError(thrown);
  const { code, message, effect, retryable, retryAfterMs, details } = error;
  const wire: WireError = {
    code,
    message: code === "INTERNAL" ? "internal error" : message,
    effect,
    retryable,
    retryAfterMs,
    details,
  };
  return encodeJson(wire);
}

const { bool, count, nullable, oneOf, open, text } = shape;
const TEXT_LENGTH_MAX = 65_536;

const readError = open<WireError>({
  code: text(TEXT_LENGTH_MAX),
  message: text(TEXT_LENGTH_MAX),
  effect: oneOf("NOT_APPLIED", "UNKNOWN", "NONE"),
  retryable: bool,
  retryAfterMs: nullable(count),
  details: readDetails,
});

function readDetails(value: unknown, path: string): ErrorDetails {
  const isDetail = (each: unknown): boolean =>
    each === null ||
    ["string", "number", "boolean"].includes(typeof each) ||
    (Array.isArray(each) && each.every((one) => typeof one === "string"));
  if (typeof value === "object" && value !== null && !Array.isArray(value) && Object.values(value).every(isDetail))
    return value as ErrorDetails;
  throw new shape.ShapeError(`${path}: expected an error's details`);
}

/** The error that another broker answered with; INTERNAL when it cannot be read. */
export function decodeError(bytes: Uint8Array): VarveError {
  try {
    const { code, retryAfterMs, ...rest } = decodeJson(bytes, "an error", readError);
    const known: ErrorCode = isErrorCode(code) ? code : "INTERNAL";
    return new VarveError(known, { ...rest, ...(retryAfterMs === null ? {} : { retryAfterMs }) });
  } catch (cause) {
    return new VarveError("INTERNAL", { message: "a broker answered with an error that cannot be read", cause });
  }
}

/** A call that one broker may hand to another. Numbers are on the wire and never reused. */
export interface ForwardableMethod<Request, Response> {
  readonly number: number;
  encodeRequest(request: Request): Uint8Array;
  decodeRequest(bytes: Uint8Array): Request;
  encodeResponse(response: Response): Uint8Array;
  decodeResponse(bytes: Uint8Array): Response;
}

/** What an answering broker runs for a forwarded call; it never forwards again. */
export type ForwardedHandler<Request, Response> = (
  request: Request,
  context: { readonly deadlineMs: number; readonly signal: AbortSignal },
) => Promise<Response>;

type RawHandler = (body: Uint8Array, deadlineMs: number, signal: AbortSignal) => Promise<Uint8Array>;

export class Forwarding {
  private readonly hub: PeerHub;
  private readonly handlers = new Map<number, RawHandler>();

  constructor(hub: PeerHub) {
    this.hub = hub;
    hub.handleCall(PeerMethod.forward, async (_from, payload, context) => {
      const number = (payload[0] ?? 0) | ((payload[1] ?? 0) << 8);
      const handler = this.handlers.get(number);
      if (handler === undefined) {
        throw new VarveError("INVALID_ARGUMENT", {
          message: `forwarded method ${number} is unknown here; nothing was done; are the brokers of one version?`,
        });
      }
      return handler(payload.subarray(2), context.deadlineMs, context.signal);
    });
  }

  answer<Request, Response>(
    method: ForwardableMethod<Request, Response>,
    handler: ForwardedHandler<Request, Response>,
  ): void {
    this.handlers.set(method.number, async (body, deadlineMs, signal) =>
      method.encodeResponse(await handler(method.decodeRequest(body), { deadlineMs, signal })),
    );
  }

  /** @throws VarveError of the other broker; UNREACHABLE says whether the call had left. */
  async call<Request, Response>(
    to: BrokerId,
    method: ForwardableMethod<Request, Response>,
    request: Request,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<Response> {
    const body = method.encodeRequest(request);
    const payload = Buffer.allocUnsafe(body.length + 2);
    payload.writeUInt16LE(method.number, 0);
    payload.set(body, 2);
    return method.decodeResponse(await peerCall(this.hub, to, PeerMethod.forward, payload, options));
  }
}

/** A call whose failure on the other side comes back as the VarveError it was there. */
export async function peerCall(
  hub: PeerHub,
  to: BrokerId,
  method: number,
  payload: Uint8Array,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<Uint8Array> {
  try {
    return await hub.call(to, method, payload, options);
  } catch (error) {
    if (error instanceof Error && "bytes" in error && error.bytes instanceof Uint8Array) throw decodeError(error.bytes);
    throw error;
  }
}
