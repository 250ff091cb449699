/**
 * message-codec.ts: Raft messages as bytes on the peer link.
 *
 * Layout, little-endian: type u8, reject u8, entry count u16, header bytes u16, reserved u16; then as f64 (integers up to 2^53 are
 * exact): group, from, to, term, logTerm, index, commit, rejectHint, vote, context; then u32 snapshot bytes, u32 snapshot
 * configuration bytes; then the snapshot's index and term as f64. The snapshot, its configuration as JSON, and the entries follow;
 * an entry is a frame, header and payload, as it lies in the WAL, so nothing is encoded again on its way.
 */
import { VarveError } from "@varve/base";
import { decodeFrames, type Frame } from "@varve/storage";
import { CAMPAIGN_TRANSFER, type ConfState, emptyMessage, type Message, type MessageType } from "raft-ts";
import { detach } from "./detach.js";

const FIELDS = 10;
/** The one field that may be negative. */
const CONTEXT_FIELD = 9;
const PREFIX_BYTES = 8;
const HEADER_BYTES = PREFIX_BYTES + FIELDS * 8 + 8 + 16;

/** Wire numbers of the message types that cross the network; never reused. */
const WIRE_TYPES: readonly MessageType[] = [
  "MsgApp",
  "MsgAppResp",
  "MsgHeartbeat",
  "MsgHeartbeatResp",
  "MsgPreVote",
  "MsgPreVoteResp",
  "MsgVote",
  "MsgVoteResp",
  "MsgSnap",
  "MsgTimeoutNow",
  "MsgReadIndex",
  "MsgReadIndexResp",
];
const WIRE_NUMBER = new Map<MessageType, number>(WIRE_TYPES.map((type, at) => [type, at + 1]));

/** Contexts that are not a read's number. */
const NO_CONTEXT = -1;
/** The only text that a context can be: the vote request follows a leadership transfer. */
const TRANSFER_CONTEXT = -2;

function wireContext(context: Message["context"]): number {
  if (context === null) return NO_CONTEXT;
  return typeof context === "number" ? context : TRANSFER_CONTEXT;
}

/** A Raft message and the group it belongs to. */
export interface Addressed {
  readonly groupId: number;
  readonly message: Message;
}

/** The message as parts for one socket write; entries are passed by reference. */
export function encodeMessage(groupId: number, message: Message): Uint8Array[] {
  const snapshot = message.snapshot;
  const conf = snapshot === null ? null : Buffer.from(JSON.stringify(snapshot.metadata.confState));
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  const wire = WIRE_NUMBER.get(message.type);
  if (wire === undefined) throw new RangeError(`${message.type} never leaves a process`);
  header[0] = wire;
  header[1] = message.reject ? 1 : 0;
  header.writeUInt16LE(message.entries.length, 2);
  header.writeUInt16LE(HEADER_BYTES, 4);
  header.writeUInt16LE(0, 6);
  let at = PREFIX_BYTES;
  at = header.writeDoubleLE(groupId, at);
  at = header.writeDoubleLE(message.from, at);
  at = header.writeDoubleLE(message.to, at);
  at = header.writeDoubleLE(message.term, at);
  at = header.writeDoubleLE(message.logTerm, at);
  at = header.writeDoubleLE(message.index, at);
  at = header.writeDoubleLE(message.commit, at);
  at = header.writeDoubleLE(message.rejectHint, at);
  at = header.writeDoubleLE(message.vote, at);
  at = header.writeDoubleLE(wireContext(message.context), at);
  at = header.writeUInt32LE(snapshot === null ? 0 : snapshot.data.length, at);
  at = header.writeUInt32LE(conf === null ? 0 : conf.length, at);
  at = header.writeDoubleLE(snapshot === null ? 0 : snapshot.metadata.index, at);
  header.writeDoubleLE(snapshot === null ? 0 : snapshot.metadata.term, at);
  const parts: Uint8Array[] = [header];
  if (snapshot !== null && conf !== null) parts.push(snapshot.data, conf);
  for (const entry of message.entries as readonly Frame[]) parts.push(entry.header, entry.data);
  return parts;
}

/** What can be said of an encoded message by its first part alone. */
export interface MessageHead extends Pick<Message, "type" | "from" | "to" | "term" | "reject"> {
  readonly groupId: number;
}

/** Reads the first part of what `encodeMessage` made, for who only watches messages go by. */
export function messageHead(header: Uint8Array): MessageHead {
  const view = Buffer.from(header.buffer, header.byteOffset, header.byteLength);
  const type = WIRE_TYPES[(view[0] ?? 0) - 1];
  if (type === undefined) throw malformed(`type ${view[0]} is unknown`);
  const [groupId, from, to, term] = [0, 1, 2, 3].map((field) => view.readDoubleLE(PREFIX_BYTES + field * 8)) as [
    number,
    number,
    number,
    number,
  ];
  return { groupId, type, from, to, term, reject: view[1] === 1 };
}

/** @throws VarveError CORRUPT_BATCH: the bytes are no message; the link they came from is not to be trusted. */
export function decodeMessage(payload: Uint8Array): Addressed {
  const view = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  if (view.length < HEADER_BYTES) throw malformed(`${view.length} bytes are fewer than a header`);
  const type = WIRE_TYPES[(view[0] ?? 0) - 1];
  if (type === undefined) throw malformed(`type ${view[0]} is unknown`);
  const entryCount = view.readUInt16LE(2);
  const headerBytes = view.readUInt16LE(4);
  if (headerBytes < HEADER_BYTES) throw malformed(`a header of ${headerBytes} bytes is too short`);
  const numbers: number[] = [];
  for (let field = 0; field < FIELDS; field++) {
    const value = view.readDoubleLE(PREFIX_BYTES + field * 8);
    const valueMin = field === CONTEXT_FIELD ? TRANSFER_CONTEXT : 0;
    if (!Number.isSafeInteger(value) || value < valueMin) throw malformed(`field ${field} is ${value}`);
    numbers.push(value);
  }
  const at = PREFIX_BYTES + FIELDS * 8;
  const snapshotBytes = view.readUInt32LE(at);
  const confBytes = view.readUInt32LE(at + 4);
  const bodyStart = headerBytes + snapshotBytes + confBytes;
  if (bodyStart > view.length) throw malformed("the snapshot is longer than the message");
  const entries = entryCount === 0 ? [] : decodeFrames(detach(view.subarray(bodyStart)));
  if (entries.length !== entryCount) throw malformed(`${entries.length} entries instead of ${entryCount}`);
  const [
    groupId = 0,
    from = 0,
    to = 0,
    term = 0,
    logTerm = 0,
    index = 0,
    commit = 0,
    rejectHint = 0,
    vote = 0,
    context = -1,
  ] = numbers;
  checkPlaces(entries, groupId, index);
  const message: Message = {
    ...emptyMessage(type, from, to),
    term,
    logTerm,
    index,
    commit,
    rejectHint,
    vote,
    reject: view[1] === 1,
    entries,
    context: context === NO_CONTEXT ? null : context === TRANSFER_CONTEXT ? CAMPAIGN_TRANSFER : context,
    snapshot:
      confBytes === 0
        ? null
        : {
            metadata: {
              index: wholeNumber("the snapshot's index", view.readDoubleLE(at + 8)),
              term: wholeNumber("the snapshot's term", view.readDoubleLE(at + 16)),
              confState: parseConf(view.subarray(headerBytes + snapshotBytes, bodyStart)),
            },
            data: Uint8Array.from(view.subarray(headerBytes, headerBytes + snapshotBytes)),
          },
  };
  return { groupId, message };
}

/** Entries are of the message's group and follow its index one by one. */
function checkPlaces(entries: readonly Frame[], groupId: number, index: number): void {
  for (const [at, entry] of entries.entries()) {
    if (entry.groupId !== groupId) throw malformed(`entry ${at} is of group ${entry.groupId}, not ${groupId}`);
    if (entry.index !== index + 1 + at) throw malformed(`entry ${at} has index ${entry.index} after ${index}`);
  }
}

function wholeNumber(what: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw malformed(`${what} is ${value}`);
}

function malformed(why: string): VarveError {
  return new VarveError("CORRUPT_BATCH", { message: `a peer sent a malformed Raft message: ${why}`, effect: "NONE" });
}

function parseConf(bytes: Uint8Array): ConfState {
  try {
    const raw = JSON.parse(Buffer.from(bytes).toString("utf8")) as Record<string, unknown>;
    return {
      voters: idList(raw["voters"]),
      learners: idList(raw["learners"]),
      votersOutgoing: idList(raw["votersOutgoing"]),
      learnersNext: idList(raw["learnersNext"]),
      autoLeave: raw["autoLeave"] === true,
    };
  } catch (error) {
    throw error instanceof VarveError ? error : malformed("the snapshot's configuration is not JSON");
  }
}

function idList(value: unknown): number[] {
  if (!Array.isArray(value) || !value.every((id) => Number.isSafeInteger(id)))
    throw malformed("a list of replica ids is malformed");
  return value as number[];
}
