/**
 * confchange-codec.ts: membership changes as bytes of a log entry.
 *
 * Format of an `EntryType.confChange` entry (one change): 0x01, change type u8, node id varint, then the context.
 * Format of an `EntryType.confChangeV2` entry: nothing at all for the change that leaves a joint configuration, so that
 * no size limit can refuse it; else 0x02, transition u8, count varint, for each change its type u8 and node id varint,
 * then the context. Varints have 7 bits a byte, lowest first. Numbers of types and transitions are never reused.
 */
import { assert } from "../assert.js";
import { ConfChangeDecodeError } from "../errors.js";
import {
  type ConfChange,
  type ConfChangeSingle,
  type ConfChangeTransition,
  type ConfChangeType,
  type ConfChangeV2,
  EntryType,
} from "../types.js";
import { leavesJoint } from "./confchange.js";

const FORMAT_V1 = 1;
const FORMAT_V2 = 2;
const TYPES: readonly ConfChangeType[] = ["addVoter", "removeNode", "updateNode", "addLearner"];
const TRANSITIONS: readonly ConfChangeTransition[] = ["auto", "jointImplicit", "jointExplicit"];
const EMPTY = new Uint8Array(0);

/** Whether `change` is one of the single-step kind. */
export function isSingleStep(change: ConfChange | ConfChangeV2): change is ConfChange {
  return "nodeId" in change;
}

/** The entry that carries `change` through the log. */
export function confChangeEntry(change: ConfChange | ConfChangeV2): { type: EntryType; data: Uint8Array } {
  return { type: isSingleStep(change) ? EntryType.confChange : EntryType.confChangeV2, data: encodeConfChange(change) };
}

/** The bytes of `change`. */
export function encodeConfChange(change: ConfChange | ConfChangeV2): Uint8Array {
  const bytes: number[] = [];
  if (isSingleStep(change)) {
    bytes.push(FORMAT_V1, typeNumber(change.type));
    pushVarint(bytes, change.nodeId);
  } else {
    if (leavesJoint(change) && change.context.length === 0) return EMPTY;
    bytes.push(FORMAT_V2, TRANSITIONS.indexOf(change.transition));
    pushVarint(bytes, change.changes.length);
    for (const single of change.changes) {
      bytes.push(typeNumber(single.type));
      pushVarint(bytes, single.nodeId);
    }
  }
  const encoded = new Uint8Array(bytes.length + change.context.length);
  encoded.set(bytes);
  encoded.set(change.context, bytes.length);
  return encoded;
}

/**
 * The change in an entry of that type; a single-step one in the general form.
 * @throws ConfChangeDecodeError for any other bytes.
 */
export function decodeConfChange(type: EntryType, data: Uint8Array): ConfChangeV2 {
  if (type === EntryType.confChange) return decodeSingleStep(new Reader(data));
  if (type !== EntryType.confChangeV2) throw new ConfChangeDecodeError(`entry type ${type} is no membership change`);
  if (data.length === 0) return { transition: "auto", changes: [], context: EMPTY };
  const reader = new Reader(data);
  if (reader.byte() !== FORMAT_V2) throw new ConfChangeDecodeError("unknown format");
  const transition = TRANSITIONS[reader.byte()];
  if (transition === undefined) throw new ConfChangeDecodeError("unknown transition");
  const count = reader.varint();
  if (count * 2 > reader.remaining) throw new ConfChangeDecodeError("more changes than bytes");
  const changes: ConfChangeSingle[] = [];
  for (let at = 0; at < count; at++) changes.push(readSingle(reader));
  return { transition, changes, context: reader.rest() };
}

function decodeSingleStep(reader: Reader): ConfChangeV2 {
  if (reader.byte() !== FORMAT_V1) throw new ConfChangeDecodeError("unknown format");
  const single = readSingle(reader);
  return { transition: "auto", changes: [single], context: reader.rest() };
}

function readSingle(reader: Reader): ConfChangeSingle {
  const type = TYPES[reader.byte()];
  if (type === undefined) throw new ConfChangeDecodeError("unknown change type");
  return { type, nodeId: reader.varint() };
}

function typeNumber(type: ConfChangeType): number {
  const number = TYPES.indexOf(type);
  assert(number >= 0, "the change type is known");
  return number;
}

function pushVarint(bytes: number[], value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, "ids and counts are non-negative integers below 2^53");
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  bytes.push(rest);
}

class Reader {
  private at = 0;

  constructor(private readonly data: Uint8Array) {}

  get remaining(): number {
    return this.data.length - this.at;
  }

  byte(): number {
    const byte = this.data[this.at];
    if (byte === undefined) throw new ConfChangeDecodeError("truncated");
    this.at++;
    return byte;
  }

  varint(): number {
    let value = 0;
    for (let scale = 1; scale <= 2 ** 49; scale *= 128) {
      const byte = this.byte();
      value += (byte % 128) * scale;
      if (!Number.isSafeInteger(value)) break;
      if (byte < 128) return value;
    }
    throw new ConfChangeDecodeError("a number exceeds 2^53 - 1");
  }

  rest(): Uint8Array {
    return this.data.slice(this.at);
  }
}
