/**
 * envelope.ts: a small head and large blobs in one message between brokers, so that batches are never encoded again.
 *
 * Layout, little-endian: head bytes u32, blob count u32, then each blob's bytes as u32; the head as JSON text; the blobs.
 */
import { VarveError } from "@varve/base";

export interface Envelope<Head> {
  readonly head: Head;
  readonly blobs: readonly Uint8Array[];
}

export function encodeEnvelope<Head>(head: Head, blobs: readonly Uint8Array[]): Uint8Array {
  const text = Buffer.from(JSON.stringify(head));
  const prefix = Buffer.allocUnsafe(8 + 4 * blobs.length);
  prefix.writeUInt32LE(text.length, 0);
  prefix.writeUInt32LE(blobs.length, 4);
  blobs.forEach((blob, at) => {
    prefix.writeUInt32LE(blob.length, 8 + 4 * at);
  });
  return Buffer.concat([prefix, text, ...blobs]);
}

/** The blobs are views of `bytes`. @throws VarveError INVALID_ARGUMENT: the lengths do not fit, or the head is no JSON object. */
export function decodeEnvelope<Head>(bytes: Uint8Array): Envelope<Head> {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.length < 8) throw malformed();
  const headBytes = view.readUInt32LE(0);
  const count = view.readUInt32LE(4);
  let at = 8 + 4 * count;
  if (at + headBytes > view.length) throw malformed();
  const head = parseHead<Head>(view.toString("utf8", at, at + headBytes));
  at += headBytes;
  const blobs: Uint8Array[] = [];
  for (let blob = 0; blob < count; blob++) {
    const length = view.readUInt32LE(8 + 4 * blob);
    if (at + length > view.length) throw malformed();
    blobs.push(view.subarray(at, at + length));
    at += length;
  }
  return { head, blobs };
}

function parseHead<Head>(text: string): Head {
  try {
    const head: unknown = JSON.parse(text);
    if (typeof head === "object" && head !== null) return head as Head;
  } catch {
    // Refused below, like any other head that is no object.
  }
  throw malformed();
}

function malformed(): VarveError {
  return new VarveError("INVALID_ARGUMENT", {
    message: "a broker sent a message whose lengths do not fit or whose head is no JSON object; nothing was done",
  });
}
