/**
 * json-payload.ts: what brokers tell each other as JSON, judged before anything is done with it.
 *
 * Unknown fields are passed over, since brokers of two versions speak with each other during an upgrade.
 */
import { type ErrorCode, shape, VarveError } from "@varve/base";

/** The value as JSON in UTF-8. */
export function encodeJson(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

/** @throws VarveError `code`: the bytes are no JSON in UTF-8, or not what `reader` reads; `what` names it in the message. */
export function decodeJson<T>(
  bytes: Uint8Array,
  what: string,
  reader: shape.Reader<T>,
  code: ErrorCode = "INVALID_ARGUMENT",
): T {
  try {
    return reader(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)), what);
  } catch (cause) {
    const why = cause instanceof shape.ShapeError ? cause.message : `${what} is not JSON in UTF-8`;
    throw new VarveError(code, {
      message: `a broker sent something else than expected: ${why}; nothing was done`,
      cause,
    });
  }
}
