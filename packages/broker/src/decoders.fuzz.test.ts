/**
 * decoders.fuzz.test.ts: what brokers tell each other, and the founding note: whatever the bytes, it is one or a typed refusal.
 */
import type { VarveError } from "@varve/base";
import { type FuzzedDecoder, fuzzDecoder, fuzzSeed, mutateJson } from "@varve/base/testing";
import { encodeFrame, FrameKind } from "@varve/storage";
import { emptyMessage, type Message } from "raft-ts";
import { expect, test } from "vitest";
import { decodeStatus, encodeStatus, parseGroupIds } from "./duties/status.js";
import { decodeNote, encodeNote, type FoundingNote, readFounding } from "./membership/founding-note.js";
import { readJoinRequest } from "./membership/membership.js";
import { type Addressed, decodeMessage, encodeMessage } from "./replica/message-codec.js";
import { decodeEnvelope, type Envelope, encodeEnvelope } from "./routing/envelope.js";
import { decodeError, encodeError } from "./routing/forwarding.js";
import { decodeJson, encodeJson } from "./routing/json-payload.js";
import { type Announcement, decodeLeaders, encodeLeaders } from "./routing/leader-table.js";

const seed = fuzzSeed();

const entry = (index: number, data: Uint8Array) =>
  encodeFrame({
    groupId: 9,
    kind: FrameKind.state,
    index,
    term: 4,
    baseOffset: 100,
    offsetSpan: 0,
    recordCount: 0,
    appendTimeMs: 1_700_000_000_000,
    data,
  });

const CONF = { voters: [1, 2, 3], learners: [4], votersOutgoing: [1, 2], learnersNext: [5], autoLeave: true };

const MESSAGES: readonly Message[] = [
  {
    ...emptyMessage("MsgApp", 1, 2),
    term: 4,
    index: 41,
    entries: [entry(42, Uint8Array.of(1, 2)), entry(43, new Uint8Array(0))],
  },
  { ...emptyMessage("MsgAppResp", 2, 1), term: 4, index: 41, reject: true, rejectHint: 17, logTerm: 2 },
  { ...emptyMessage("MsgVote", 2, 3), term: 5, vote: 2, context: "transfer" },
  {
    ...emptyMessage("MsgSnap", 1, 3),
    term: 4,
    snapshot: { metadata: { index: 70, term: 3, confState: CONF }, data: Uint8Array.of(5, 6, 7) },
  },
];

const STATUS = {
  brokerId: 2,
  ready: false,
  reasons: ["recovering"],
  groups: [
    {
      groupId: 9,
      leader: 2,
      epoch: 4,
      voters: [1, 2, 3],
      learners: [],
      inSync: [2],
      following: [2, 3],
      commit: 12,
      behind: [{ replicaId: 3, entries: 7 }],
      logStart: 0,
      highWatermark: 12,
      bytes: 4_096,
    },
  ],
};
const VOTERS = [{ brokerId: 1, directoryId: "d", replicaId: 1, peerAddress: "h:1" }];
const FOUNDING = { clusterId: "c", seedList: "h:1,h:2", voters: VOTERS };
const NOTES: readonly FoundingNote[] = [
  { kind: "promised", founding: FOUNDING },
  { kind: "joined", clusterId: "c", replicaId: 4, voters: VOTERS },
];
const JOIN = { brokerId: 4, directoryId: "d-4", bootIds: ["b-0", "b-1"], peerAddress: "h:4" };

interface Case {
  readonly what: string;
  readonly run: () => { readonly decoded: number; readonly refused: number };
  /** Everything decodes, and what is odd in it is left out or named. */
  readonly isTotal?: boolean;
}

function run<T>(decoder: Omit<FuzzedDecoder<T>, "seed">): Case["run"] {
  return () => fuzzDecoder({ ...decoder, seed });
}

const INVALID = ["INVALID_ARGUMENT"] as const;

test.each<Case>([
  {
    what: "Raft messages",
    run: run<Addressed>({
      samples: MESSAGES.map((message) => Buffer.concat(encodeMessage(9, message))),
      decode: decodeMessage,
      encode: ({ groupId, message }) => Buffer.concat(encodeMessage(groupId, message)),
      codes: ["CORRUPT_BATCH"],
    }),
  },
  {
    what: "envelopes",
    run: run<Envelope<object>>({
      samples: [encodeEnvelope({ topic: "größe", at: null }, [Uint8Array.of(1, 2, 3), new Uint8Array(70)])],
      decode: (bytes) => decodeEnvelope<object>(bytes),
      encode: ({ head, blobs }) => encodeEnvelope(head, blobs),
      codes: INVALID,
    }),
  },
  {
    what: "announcements of leaders",
    run: run<Announcement>({
      samples: [encodeLeaders(1_700_000_000_000, [{ groupId: 9, term: 4 }])],
      decode: decodeLeaders,
      encode: ({ wallMs, entries }) => encodeLeaders(wallMs, entries),
      codes: [],
    }),
    isTotal: true,
  },
  {
    what: "status",
    run: run({
      samples: [encodeStatus(STATUS)],
      decode: decodeStatus,
      encode: encodeStatus,
      mutate: mutateJson,
      codes: INVALID,
    }),
  },
  {
    what: "lists of groups",
    run: run({
      samples: [encodeJson([1, 2, 3]), encodeJson([-1]), encodeJson([])],
      decode: parseGroupIds,
      encode: encodeJson,
      mutate: mutateJson,
      codes: INVALID,
    }),
  },
  {
    what: "foundings",
    run: run({
      samples: [encodeJson(FOUNDING)],
      decode: (bytes) => decodeJson(bytes, "a founding", readFounding),
      encode: encodeJson,
      mutate: mutateJson,
      codes: INVALID,
    }),
  },
  {
    what: "requests to join",
    run: run({
      samples: [encodeJson(JOIN)],
      decode: (bytes) => decodeJson(bytes, "a request to join", readJoinRequest),
      encode: encodeJson,
      mutate: mutateJson,
      codes: INVALID,
    }),
  },
  {
    what: "founding notes",
    run: run({
      samples: NOTES.map((note) => Buffer.from(encodeNote(note))),
      decode: (bytes) => decodeNote(Buffer.from(bytes).toString()),
      encode: (note) => Buffer.from(encodeNote(note)),
      mutate: mutateJson,
      codes: ["DATA_DIR_UNUSABLE"],
    }),
  },
  {
    what: "errors of other brokers",
    run: run<VarveError>({
      samples: [encodeError(new TypeError("no")), encodeError(decodeError(encodeError(new RangeError("no"))))],
      decode: decodeError,
      encode: encodeError,
      mutate: mutateJson,
      codes: [],
    }),
    isTotal: true,
  },
])(`$what (SEED=${seed})`, ({ run: fuzz, isTotal }) => {
  const { decoded, refused } = fuzz();
  expect(decoded).toBeGreaterThan(20);
  expect(refused > 0).toBe(isTotal !== true);
});

test("a Raft message that is cut anywhere is refused", () => {
  for (const message of MESSAGES) {
    const whole = Buffer.concat(encodeMessage(9, message));
    for (let end = 0; end < whole.length; end++)
      expect(() => decodeMessage(whole.subarray(0, end)), `${message.type} cut to ${end}`).toThrow(
        expect.objectContaining({ code: "CORRUPT_BATCH" }),
      );
  }
});
