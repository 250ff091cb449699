import { isVarveError } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { encodeFrame, FrameKind } from "@varve/storage";
import { emptyMessage, type Message } from "raft-ts";
import { describe, expect, test } from "vitest";
import { decodeMessage, encodeMessage } from "./message-codec.js";

const SEED = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);
const HEADER_BYTES_AT = 4;
const FIELDS_AT = 8;
const SNAPSHOT_BYTES_AT = 88;
const SNAPSHOT_INDEX_AT = 96;

const entry = (index: number, data: Uint8Array) =>
  encodeFrame({
    groupId: 9,
    kind: FrameKind.state,
    index,
    term: 4,
    baseOffset: 100 + index,
    offsetSpan: 0,
    recordCount: 0,
    appendTimeMs: 1_700_000_000_000,
    data,
  });

const CONF = { voters: [1, 2, 3], learners: [4], votersOutgoing: [1, 2], learnersNext: [5], autoLeave: true };
const SNAPSHOT = { metadata: { index: 70, term: 3, confState: CONF }, data: Uint8Array.of(5, 6, 7) };

const MESSAGES: Readonly<Record<string, Message>> = {
  "an append with entries": {
    ...emptyMessage("MsgApp", 1, 2),
    term: 4,
    logTerm: 3,
    index: 41,
    commit: 40,
    entries: [
      entry(42, Uint8Array.of(1, 2, 3)),
      entry(43, new Uint8Array(0)),
      entry(44, new Uint8Array(3_000).fill(7)),
    ],
  },
  "a refusal": { ...emptyMessage("MsgAppResp", 2, 1), term: 4, index: 41, reject: true, rejectHint: 17, logTerm: 2 },
  "a vote request of a transfer": { ...emptyMessage("MsgVote", 2, 3), term: 5, vote: 2, context: "transfer" },
  "a heartbeat of a read": { ...emptyMessage("MsgHeartbeat", 1, 3), term: 4, commit: 9, context: 12 },
  "numbers up to 2^53 - 1": {
    ...emptyMessage("MsgReadIndexResp", 1, 3),
    term: 2 ** 31 - 1,
    index: Number.MAX_SAFE_INTEGER,
    context: Number.MAX_SAFE_INTEGER,
  },
  "a snapshot": { ...emptyMessage("MsgSnap", 1, 3), term: 4, snapshot: SNAPSHOT },
  "a snapshot without data": {
    ...emptyMessage("MsgSnap", 1, 3),
    term: 4,
    snapshot: { ...SNAPSHOT, data: new Uint8Array(0) },
  },
};

const bytesOf = (message: Message): Buffer => Buffer.concat(encodeMessage(9, message));

/** The same content, whatever kind of view its bytes lie in. */
function plain(message: Message): unknown {
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
  const entries = message.entries.map(({ index, term, type, data }) => ({ index, term, type, data: text(data) }));
  const snapshot = message.snapshot === null ? null : { ...message.snapshot, data: text(message.snapshot.data) };
  return { ...message, entries, snapshot };
}

test.each(Object.entries(MESSAGES))("comes back as it was: %s", (_, message) => {
  const decoded = decodeMessage(bytesOf(message));
  expect(decoded.groupId).toBe(9);
  expect(plain(decoded.message)).toEqual(plain(message));
});

test("entries are sent by reference, never copied", () => {
  const frame = entry(42, Uint8Array.of(1));
  const parts = encodeMessage(9, { ...emptyMessage("MsgApp", 1, 2), entries: [frame] });
  expect(parts.at(-1)).toBe(frame.data);
  expect(parts.at(-2)).toBe(frame.header);
});

test("a message that is for its own process only cannot be encoded", () => {
  expect(() => encodeMessage(9, emptyMessage("MsgProp", 1, 1))).toThrow(RangeError);
});

function outcomeOf(bytes: Uint8Array): string {
  try {
    decodeMessage(bytes);
    return "message";
  } catch (error) {
    return isVarveError(error) ? error.code : String(error);
  }
}

/** An append or a snapshot with some bytes changed. */
function spoiled(message: Message | undefined, change: (bytes: Buffer) => unknown): Buffer {
  const bytes = Buffer.from(bytesOf(message ?? emptyMessage("MsgApp", 1, 2)));
  const changed = change(bytes);
  return Buffer.isBuffer(changed) ? changed : bytes;
}

const APPEND = MESSAGES["an append with entries"];
const SNAP = MESSAGES["a snapshot"];
const HEARTBEAT = MESSAGES["a heartbeat of a read"];

describe("refused as a VarveError", () => {
  test.each<{ what: string; bytes: Uint8Array }>([
    { what: "no bytes", bytes: new Uint8Array(0) },
    { what: "a header that is cut off", bytes: spoiled(APPEND, (bytes) => bytes.subarray(0, 111)) },
    { what: "type 0", bytes: spoiled(APPEND, (bytes) => bytes.writeUInt8(0, 0)) },
    { what: "a type that is not known", bytes: spoiled(APPEND, (bytes) => bytes.writeUInt8(200, 0)) },
    {
      what: "a header that says it is shorter",
      bytes: spoiled(HEARTBEAT, (bytes) => bytes.writeUInt16LE(8, HEADER_BYTES_AT)),
    },
    {
      what: "a group that is no number",
      bytes: spoiled(APPEND, (bytes) => bytes.writeDoubleLE(Number.NaN, FIELDS_AT)),
    },
    {
      what: "a term with a fraction",
      bytes: spoiled(APPEND, (bytes) => bytes.writeDoubleLE(4.5, FIELDS_AT + 24)),
    },
    { what: "more entries than there are", bytes: spoiled(APPEND, (bytes) => bytes.writeUInt16LE(4, 2)) },
    { what: "fewer entries than there are", bytes: spoiled(APPEND, (bytes) => bytes.writeUInt16LE(2, 2)) },
    { what: "an entry that is cut off", bytes: spoiled(APPEND, (bytes) => bytes.subarray(0, bytes.length - 1)) },
    { what: "a spoiled entry header", bytes: spoiled(APPEND, (bytes) => bytes.writeUInt8(0xff, 112 + 20)) },
    {
      what: "a snapshot longer than the message",
      bytes: spoiled(SNAP, (bytes) => bytes.writeUInt32LE(4_000, SNAPSHOT_BYTES_AT)),
    },
    {
      what: "a snapshot index that is no number",
      bytes: spoiled(SNAP, (bytes) => bytes.writeDoubleLE(Number.NaN, SNAPSHOT_INDEX_AT)),
    },
    {
      what: "a snapshot index below 0",
      bytes: spoiled(SNAP, (bytes) => bytes.writeDoubleLE(-1, SNAPSHOT_INDEX_AT)),
    },
    { what: "a configuration that is no JSON", bytes: spoiled(SNAP, (bytes) => bytes.writeUInt8(0, 112 + 3)) },
    { what: "a configuration with a name among its voters", bytes: withConf('{"voters":["one"]}') },
    { what: "a configuration that is null", bytes: withConf("null") },
  ])("$what", ({ bytes }) => {
    expect(outcomeOf(bytes)).toBe("CORRUPT_BATCH");
  });
});

function withConf(text: string): Buffer {
  const header = bytesOf({ ...emptyMessage("MsgSnap", 1, 3), snapshot: SNAPSHOT }).subarray(0, 112);
  const conf = Buffer.from(text);
  const bytes = Buffer.concat([header, SNAPSHOT.data, conf]);
  bytes.writeUInt32LE(conf.length, SNAPSHOT_BYTES_AT + 4);
  return bytes;
}

test(`a spoiled message is a message or a VarveError, never anything else (SEED=${SEED})`, () => {
  const prng = new Prng(SEED);
  const whole = Object.values(MESSAGES).map(bytesOf);
  let refused = 0;
  for (let round = 0; round < 5_000; round++) {
    const bytes = Buffer.from(prng.pick(whole));
    for (let flips = prng.between(1, 4); flips > 0; flips--) {
      bytes[prng.between(0, Math.min(bytes.length, 260) - 1)] = prng.uint32() & 0xff;
    }
    const end = prng.chance(0.2) ? prng.between(0, bytes.length) : bytes.length;
    const outcome = outcomeOf(bytes.subarray(0, end));
    if (outcome !== "message") refused += 1;
    expect(["message", "CORRUPT_BATCH"]).toContain(outcome);
  }
  expect(refused).toBeGreaterThan(1_000);
});
