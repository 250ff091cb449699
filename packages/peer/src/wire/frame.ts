/**
 * frame.ts: the header that stands before every payload on a peer link.
 *
 * All numbers little-endian:
 *    0 u32 payload bytes           16 u32 checked bytes: how much of the payload's start the payload checksum covers
 *    4 u8  type                    20 u32 payload CRC32C
 *    5 u8  reserved, 0             24 u32 header CRC32C, over bytes 0 .. 23
 *    6 u16 kind (message, method)
 *    8 u32 id (call or stream)
 *   12 u32 argument (by type)
 *
 * Invariants:
 *   F1  a header whose CRC holds is trusted with its length: nothing is allocated for one whose CRC fails
 *   F2  payload bytes <= the reader's limit; checked bytes <= payload bytes
 *   F3  a payload is covered whole on the control lane, and on the bulk lane up to `checkedWholeBytesMax`, except that of bulk
 *       messages and stream messages; of these and of larger ones the first `checkedHeadBytes` are. What follows there is entries
 *       and batches, each under its own CRC, checked before it is used.
 * The layout of HELLO frames never changes, so that any two versions can tell each other why they do not fit.
 */
import { PEER_LIMITS } from "../limits.js";
import { crc32c } from "./crc32c.js";

export const HEADER_BYTES = 28;
const CRC_AT = 24;

/** What a frame is. On the wire: never renumbered or reused. */
export const FrameType = {
  /** Who speaks; the first frame of both sides. */
  hello: 1,
  /** Instead of hello: why not. Argument: a refusal code; payload: text. */
  refused: 2,
  /** This side closes in order. */
  goodbye: 3,
  ping: 4,
  pong: 5,
  /** One-way message. Kind: the hub's user's. */
  message: 6,
  /** Kind: method; id; argument: milliseconds until the caller gives up. */
  call: 7,
  reply: 8,
  /** Argument: a failure code; payload: opaque error or text. */
  failure: 9,
  /** The caller no longer wants the reply. */
  cancel: 10,
  /** Opens a stream. Kind: method; id; payload: header. */
  open: 11,
  data: 12,
  /** Argument: bytes that the other side may send on top. */
  credit: 13,
  /** No more data from this side. */
  end: 14,
  /** The stream is over in both directions. Argument: an abort code; payload: opaque error. */
  abort: 15,
  /** A hello in the middle of a link: the cluster id became known. Payload: as of hello. */
  announce: 16,
} as const;

/** A frame as the reader hands it out; the object is used again for the next one, the payload is not. */
export interface Frame {
  type: number;
  kind: number;
  id: number;
  argument: number;
  payload: Uint8Array;
}

function writeUint32(target: Uint8Array, at: number, value: number): void {
  target[at] = value;
  target[at + 1] = value >>> 8;
  target[at + 2] = value >>> 16;
  target[at + 3] = value >>> 24;
}

/** The unsigned number at `at`, which lies inside `source`. */
export function readUint32(source: Uint8Array, at: number): number {
  return (
    ((source[at] as number) |
      ((source[at + 1] as number) << 8) |
      ((source[at + 2] as number) << 16) |
      ((source[at + 3] as number) << 24)) >>>
    0
  );
}

/** How much of a payload is covered (F3). */
export function checkedBytesOf(type: number, payloadBytes: number, whole: boolean): number {
  const { checkedHeadBytes, checkedWholeBytesMax } = PEER_LIMITS;
  if (whole || payloadBytes <= checkedHeadBytes) return payloadBytes;
  const carriesEntries = type === FrameType.message || type === FrameType.data;
  return carriesEntries || payloadBytes > checkedWholeBytesMax ? checkedHeadBytes : payloadBytes;
}

/** The checksum of the first `checkedBytes` of the parts. */
export function payloadCrc(parts: readonly Uint8Array[], checkedBytes: number): number {
  let crc = 0;
  let left = checkedBytes;
  for (let at = 0; left > 0 && at < parts.length; at++) {
    const part = parts[at] as Uint8Array;
    const covered = Math.min(left, part.length);
    crc = crc32c(part, 0, covered, crc);
    left -= covered;
  }
  return crc;
}

/** Writes the header of a payload to `target[at ..]`, where HEADER_BYTES are free. */
export function writeHeader(
  target: Uint8Array,
  at: number,
  type: number,
  kind: number,
  id: number,
  argument: number,
  payloadBytes: number,
  checkedBytes: number,
  crc: number,
): void {
  writeUint32(target, at, payloadBytes);
  target[at + 4] = type;
  target[at + 5] = 0;
  target[at + 6] = kind;
  target[at + 7] = kind >>> 8;
  writeUint32(target, at + 8, id);
  writeUint32(target, at + 12, argument);
  writeUint32(target, at + 16, checkedBytes);
  writeUint32(target, at + 20, crc);
  writeUint32(target, at + CRC_AT, crc32c(target, at, at + CRC_AT));
}

/** Why the header at `at` cannot be trusted, or null. */
export function headerProblem(source: Uint8Array, at: number, payloadBytesMax: number): string | null {
  if (readUint32(source, at + CRC_AT) !== crc32c(source, at, at + CRC_AT)) return "header checksum differs";
  const payloadBytes = readUint32(source, at);
  if (payloadBytes > payloadBytesMax) return `payload of ${payloadBytes} bytes, at most ${payloadBytesMax} are allowed`;
  if (readUint32(source, at + 16) > payloadBytes) return "checksum covers more than the payload";
  if (source[at + 5] !== 0) return "reserved byte is set";
  return null;
}
