/**
 * hello.ts: the first frame of both sides, and the rule who may speak with whom.
 *
 * Payload, little-endian: magic "VRVP", format u8 (1), lane u8 (0 control, 1 bulk), protocol min u16, max u16, broker id u32, then
 * three texts of u8 length and that many bytes of UTF-8: directory id, boot id, cluster id (empty: none yet).
 * Source of the rule: design section 7, "The peer handshake carries cluster id, directory id, boot id and protocol range".
 */
import { assert, INT31_MAX } from "@varve/base";
import type { Lane, PeerHello } from "../api.js";

const MAGIC = [0x56, 0x52, 0x56, 0x50] as const;
const FORMAT = 1;
const FIXED_BYTES = 14;
const LANES: readonly Lane[] = ["control", "bulk"];

/** Why a handshake was refused. On the wire: never renumbered or reused. */
export const Refusal = {
  malformed: 1,
  cluster: 2,
  protocol: 3,
  /** Both ends are one process; closed without noise. */
  self: 4,
  /** Another directory that is up says it is this broker. */
  identity: 5,
} as const;

export interface RefusalReason {
  readonly code: number;
  readonly text: string;
}

/** What a HELLO frame says. */
export interface LaneHello {
  readonly lane: Lane;
  readonly hello: PeerHello;
}

export function encodeHello(hello: PeerHello, lane: Lane): Uint8Array {
  const encoder = new TextEncoder();
  const texts = [hello.directoryId, hello.bootId, hello.clusterId ?? ""].map((text) => encoder.encode(text));
  const bytes = new Uint8Array(FIXED_BYTES + texts.reduce((sum, text) => sum + 1 + text.length, 0));
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  bytes[4] = FORMAT;
  bytes[5] = LANES.indexOf(lane);
  view.setUint16(6, hello.protocolMin, true);
  view.setUint16(8, hello.protocolMax, true);
  view.setUint32(10, hello.brokerId, true);
  let at = FIXED_BYTES;
  for (const text of texts) {
    assert(text.length <= 255, "an identity fits 255 bytes");
    bytes[at] = text.length;
    bytes.set(text, at + 1);
    at += 1 + text.length;
  }
  return bytes;
}

/** The hello in `payload`, or a text that says what is wrong with it. */
export function decodeHello(payload: Uint8Array): LaneHello | string {
  if (payload.length < FIXED_BYTES || MAGIC.some((byte, at) => payload[at] !== byte))
    return "no hello of a Varve broker";
  if (payload[4] !== FORMAT) return `hello of format ${payload[4]}, this broker speaks ${FORMAT}`;
  const lane = LANES[payload[5] ?? LANES.length];
  if (lane === undefined) return `lane ${payload[5]} is unknown`;
  const texts = decodeTexts(payload);
  if (texts === null) return "hello is cut short or not in UTF-8";
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const [directoryId, bootId, clusterId] = texts;
  const brokerId = view.getUint32(10, true);
  if (brokerId === 0 || brokerId > INT31_MAX) return `broker id ${brokerId} is out of range`;
  if (directoryId === "" || bootId === "") return "hello without identity";
  const hello: PeerHello = {
    brokerId,
    clusterId: clusterId === "" ? null : clusterId,
    directoryId,
    bootId,
    protocolMin: view.getUint16(6, true),
    protocolMax: view.getUint16(8, true),
  };
  if (hello.protocolMin > hello.protocolMax) return "protocol range is empty";
  return { lane, hello };
}

function decodeTexts(payload: Uint8Array): [string, string, string] | null {
  const texts: [string, string, string] = ["", "", ""];
  let at = FIXED_BYTES;
  for (let which = 0; which < texts.length; which++) {
    const length = payload[at];
    if (length === undefined || at + 1 + length > payload.length) return null;
    const text = utf8Text(payload.subarray(at + 1, at + 1 + length));
    if (text === null) return null;
    texts[which] = text;
    at += 1 + length;
  }
  return at === payload.length ? texts : null;
}

function utf8Text(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** The hello that `before` announces in place of its first, or a text that says why it cannot be. */
export function decodeAnnouncement(payload: Uint8Array, before: PeerHello): PeerHello | string {
  const decoded = decodeHello(payload);
  if (typeof decoded === "string") return decoded;
  const { brokerId, directoryId, bootId } = decoded.hello;
  const same = brokerId === before.brokerId && directoryId === before.directoryId && bootId === before.bootId;
  return same ? decoded.hello : "the peer became another one";
}

/** Why two brokers must not speak with each other, or null. Both sides come to the same answer. */
export function refusalOf(own: PeerHello, other: PeerHello): RefusalReason | null {
  if (own.directoryId === other.directoryId) {
    if (own.bootId === other.bootId) return { code: Refusal.self, text: "the address is this broker's own" };
    return { code: Refusal.identity, text: `two processes use directory ${own.directoryId}` };
  }
  if (own.clusterId !== null && other.clusterId !== null && own.clusterId !== other.clusterId) {
    return { code: Refusal.cluster, text: `clusters ${own.clusterId} and ${other.clusterId} are different ones` };
  }
  if (own.protocolMin > other.protocolMax || other.protocolMin > own.protocolMax) {
    const ranges = `${own.protocolMin}-${own.protocolMax} and ${other.protocolMin}-${other.protocolMax}`;
    return { code: Refusal.protocol, text: `no common protocol version in ${ranges}` };
  }
  if (own.brokerId === other.brokerId) {
    return { code: Refusal.identity, text: `two directories are configured as broker ${own.brokerId}` };
  }
  return null;
}
