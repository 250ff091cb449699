/**
 * decoders.fuzz.test.ts: whatever lies in a WAL, a segment, an index, a checkpoint or a row of frames from a peer, it is decoded or it
 * is CORRUPT_BATCH. Checksums are put right again for most inputs, since damage that they find is the easy case.
 */
import { VarveError } from "@varve/base";
import { type FuzzReport, fuzzDecoder, fuzzSeed, mutateJson, Prng } from "@varve/base/testing";
import { crc32c } from "@varve/records";
import { expect, test } from "vitest";
import { type Frame, FrameKind } from "./api.js";
import { corrupt, readU32, writeU32 } from "./bytes.js";
import { decodeFrames, FRAME_HEADER_BYTES } from "./frame/frame.js";
import { decodeLogStart, encodeLogStart, payloadProblem } from "./frame/payload.js";
import { readIdentity, readNote, writeIdentity, writeNote } from "./identity.js";
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from "./log/checkpoint.js";
import { writeWholeFile } from "./log/log-files.js";
import { emptyImage } from "./log/log-state.js";
import { SegmentPlan } from "./log/segment-plan.js";
import {
  decodeIndexEntries,
  decodeSegmentHeader,
  encodeIndexEntries,
  encodeSegmentHeader,
  type SegmentHeader,
} from "./segment/segment-format.js";
import { batchFrame, CHECKSUM, frameOf, REPLICAS } from "./testing/log-driver.js";
import { SimDisk } from "./testing/sim-disk.js";
import {
  FLUSH_HEADER_BYTES,
  type FlushHeader,
  flushBytes,
  flushHeaderBytes,
  readBody,
  readFlushHeader,
  writeFlush,
} from "./wal/flush-format.js";
import { readRecord, recordBytes, type WalRecord } from "./wal/records.js";

const seed = fuzzSeed();
const CODES = ["CORRUPT_BATCH"] as const;
const PLACE = { groupId: 7, index: 12, term: 3, baseOffset: 2 ** 40, appendTimeMs: 1_700_000_000_123 };
const TOPIC_ID = "00000000-0000-4000-8000-000000000007";
const OWNER = { groupId: 7, topicId: TOPIC_ID, partition: 3 };

/** Both outcomes must occur, or the run says nothing. */
function expectBoth({ rounds, decoded, refused }: FuzzReport): void {
  expect(rounds).toBeGreaterThan(50);
  expect(decoded, `decoded of ${rounds}`).toBeGreaterThan(0);
  expect(refused, `refused of ${rounds}`).toBeGreaterThan(0);
}

function expectWholeNumbers(...numbers: readonly number[]): void {
  for (const number of numbers) if (!Number.isSafeInteger(number)) throw new RangeError(`${number} was let through`);
}

function frames(): Frame[] {
  return [
    batchFrame(PLACE, ["a", "bb"]),
    frameOf({ ...PLACE, index: 13 }, FrameKind.conf, Uint8Array.of(1, 2, 3)),
    frameOf({ ...PLACE, index: 14 }, FrameKind.noop, new Uint8Array(0)),
  ];
}

const bytesOf = (each: readonly Frame[]): Uint8Array =>
  Buffer.concat(each.flatMap(({ header, data }) => [header, data]));

/** Sums every frame header anew, as far as frames follow one another. */
function withHeaderSums(bytes: Uint8Array): Uint8Array {
  for (let at = 0; at + FRAME_HEADER_BYTES <= bytes.length; ) {
    writeU32(bytes, at + 68, crc32c(bytes.subarray(at, at + 68)));
    at += FRAME_HEADER_BYTES + readU32(bytes, at + 56);
  }
  return bytes;
}

test.each([
  { what: "frames without their payloads' checks", check: undefined },
  { what: "frames with their payloads' checks", check: (frame: Frame) => payloadProblem(frame, CHECKSUM) },
])(`$what (SEED=${seed})`, ({ check }) => {
  const samples = [bytesOf(frames()), ...frames().map((frame) => bytesOf([frame]))];
  const decode = (bytes: Uint8Array): Frame[] => {
    const decoded = decodeFrames(bytes, check);
    for (const { groupId, index, term, baseOffset, offsetSpan, appendTimeMs } of decoded)
      expectWholeNumbers(groupId, index, term, baseOffset + offsetSpan, appendTimeMs);
    return decoded;
  };
  expectBoth(fuzzDecoder({ samples, decode, encode: bytesOf, repair: withHeaderSums, codes: CODES, seed }));
});

const WAL_ID = new Prng(4).bytes(16);
const FLUSH_FIELDS = { sequence: 9, fileNumber: 2, oldestFile: 1, fileBlocks: 16, previousCrc: 77 };
const RECORDS: readonly WalRecord[] = [
  { kind: "hardState", groupId: 7, hardState: { term: 3, vote: 2, commit: 11 } },
  ...frames().map((frame): WalRecord => ({ kind: "frame", groupId: 7, frame, isCopy: frame.index === 13 })),
  {
    kind: "mark",
    groupId: 8,
    mark: { kind: "drained", segment: 5, position: 4_096, index: 11, term: 3, offset: 40 },
    isCopy: false,
  },
  { kind: "mark", groupId: 9, mark: { kind: "reset", index: 11, term: 3, offset: 40 }, isCopy: true },
  { kind: "tombstone", groupId: 10, replicaId: 1_001 },
];

interface Flush {
  readonly header: FlushHeader;
  readonly records: readonly WalRecord[];
}

function encodeFlush({ header, records }: Flush): Uint8Array {
  const groups = new Set(records.map(({ groupId }) => groupId));
  const bodyBytes = records.reduce((sum, record) => sum + recordBytes(record), 0);
  const target = new Uint8Array(flushBytes(groups.size, bodyBytes));
  writeFlush(target, WAL_ID, header, records, CHECKSUM);
  return target;
}

function flushOf(records: readonly WalRecord[]): Uint8Array {
  return encodeFlush({ header: FLUSH_FIELDS as FlushHeader, records });
}

/** As recovery reads it: the header, then exactly the body that it speaks of, as far as the file goes. */
function decodeFlush(bytes: Uint8Array): Flush {
  const needed = flushHeaderBytes(bytes, WAL_ID);
  const header = needed === null || needed > bytes.length ? null : readFlushHeader(bytes.subarray(0, needed), CHECKSUM);
  if (header === null) throw corrupt("no flush header");
  expectWholeNumbers(header.sequence, header.fileNumber, header.oldestFile, header.totalBytes, ...header.groups);
  const start = FLUSH_HEADER_BYTES + 8 * header.groups.length;
  const records = readBody(header, bytes.subarray(start, start + header.bodyBytes), CHECKSUM);
  if (typeof records === "string") throw corrupt(records);
  return { header, records };
}

/** The body's and the header's checksums anew, and those of the frames in it. */
function withFlushSums(bytes: Uint8Array): Uint8Array {
  const start = FLUSH_HEADER_BYTES + 8 * readU32(bytes, 64);
  if (bytes.length < FLUSH_HEADER_BYTES || start > bytes.length) return bytes;
  const body = bytes.subarray(start, start + readU32(bytes, 48));
  let crc = 0;
  try {
    for (let at = 0; at < body.length; ) {
      if (readU32(body, at) % 6 === 1) writeU32(body, at + 8 + 68, crc32c(body.subarray(at + 8, at + 8 + 68)));
      const { coveredEnd, end } = readRecord(body, at);
      crc = crc32c(body.subarray(at, coveredEnd), crc);
      at = end;
    }
  } catch {
    // The rest of the body cannot be read; its sum does not matter.
  }
  writeU32(bytes, 56, crc);
  writeU32(bytes, 76, crc32c(bytes.subarray(FLUSH_HEADER_BYTES, start), crc32c(bytes.subarray(0, 76))));
  return bytes;
}

test(`flushes of the write-ahead log and their records (SEED=${seed})`, () => {
  // Without the padding, so that most mutations hit what is read.
  const short = flushOf(RECORDS.slice(0, 1)).slice(0, 300);
  const samples = [
    flushOf(RECORDS).slice(0, 1_200),
    short,
    ...RECORDS.map((record) => flushOf([record]).slice(0, 400)),
  ];
  expectBoth(
    fuzzDecoder({ samples, decode: decodeFlush, encode: encodeFlush, repair: withFlushSums, codes: CODES, seed }),
  );
});

function checkpoint(): Checkpoint {
  const image = {
    ...emptyImage({ ...REPLICAS, learners: [4], votersOutgoing: [9, 10], autoLeave: true }),
    index: 2 ** 31,
    term: 7,
    offset: 2 ** 45,
    appendTimeMs: 1_700_000_000_000,
    logStart: { index: 3, offset: 5 },
    epochs: [{ term: 7, index: 1, offset: 0 }],
    producers: [
      {
        producerId: 2 ** 40,
        epoch: 3,
        lastAppendMs: 8,
        batches: [{ baseSequence: 1, recordCount: 2, baseOffset: 3, term: 4 }],
      },
    ],
  };
  const segments = SegmentPlan.startingAt("data", { index: 2, term: 1, offset: 2 }).list();
  return { owner: OWNER, image, segments, sections: [{ tag: 16, bytes: Uint8Array.of(1, 2, 3) }] };
}

/** Length and checksum of the body anew. */
function withBodySum(bytes: Uint8Array): Uint8Array {
  if (bytes.length < 16) return bytes;
  writeU32(bytes, 8, bytes.length - 16);
  writeU32(bytes, 12, crc32c(bytes.subarray(16)));
  return bytes;
}

test(`checkpoints (SEED=${seed})`, () => {
  const samples = [encodeCheckpoint(checkpoint())];
  const run = { samples, decode: decodeCheckpoint, encode: encodeCheckpoint, repair: withBodySum, codes: CODES, seed };
  expectBoth(fuzzDecoder(run));
});

test(`segment headers (SEED=${seed})`, () => {
  const segment = SegmentPlan.startingAt("data", { index: 2, term: 1, offset: 2 }).list()[0];
  if (segment === undefined) throw new Error("a plan begins with a segment");
  const encode = (header: SegmentHeader): Uint8Array =>
    encodeSegmentHeader(header.owner, { ...segment, ...header }, new Uint8Array(16));
  const decode = (bytes: Uint8Array): SegmentHeader => {
    const header = decodeSegmentHeader(bytes);
    if (typeof header === "string") throw corrupt(header);
    expectWholeNumbers(header.owner.groupId, header.previousIndex, header.previousTerm, header.baseOffset);
    return header;
  };
  const repair = (bytes: Uint8Array): Uint8Array => {
    if (bytes.length >= 96) writeU32(bytes, 92, crc32c(bytes.subarray(0, 92)));
    return bytes;
  };
  const samples = [encodeSegmentHeader(OWNER, segment, new Uint8Array(16))];
  expectBoth(fuzzDecoder({ samples, decode, encode, repair, codes: CODES, seed }));
});

test(`entries of the sparse index (SEED=${seed})`, () => {
  const entries = Array.from({ length: 5 }, (_, at) => ({
    index: 10 * at,
    baseOffset: 100 * at,
    appendTimeMs: 1_700_000_000_000 + at,
    position: 96 + 16_384 * at,
  }));
  const decode = (bytes: Uint8Array): ReturnType<typeof decodeIndexEntries> => {
    const decoded = decodeIndexEntries(bytes, 1_000_000);
    for (const entry of decoded) expectWholeNumbers(...Object.values(entry));
    return decoded;
  };
  const repair = (bytes: Uint8Array): Uint8Array => {
    for (let at = 0; at + 36 <= bytes.length; at += 36) writeU32(bytes, at + 32, crc32c(bytes.subarray(at, at + 32)));
    return bytes;
  };
  const samples = [encodeIndexEntries(entries)];
  // A hint: what cannot be used is left out, so nothing is ever refused.
  const report = fuzzDecoder({ samples, decode, encode: encodeIndexEntries, repair, codes: [], seed });
  expect(report.refused).toBe(0);
});

test(`log starts (SEED=${seed})`, () => {
  const decode = (bytes: Uint8Array): NonNullable<ReturnType<typeof decodeLogStart>> => {
    const start = decodeLogStart(bytes);
    if (start === null) throw corrupt("no log start");
    return start;
  };
  const samples = [encodeLogStart({ index: 5, offset: 2 ** 50 })];
  expectBoth(fuzzDecoder({ samples, decode, encode: encodeLogStart, codes: CODES, seed }));
});

/** The checksum over the other fields anew, where there still is one. */
function withJsonSum(bytes: Uint8Array): Uint8Array {
  try {
    const { checksum, ...value } = JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>;
    if (checksum === undefined) return bytes;
    return Buffer.from(JSON.stringify({ ...value, checksum: crc32c(Buffer.from(JSON.stringify(value))) }));
  } catch {
    return bytes;
  }
}

async function codeOf(read: () => Promise<unknown>): Promise<string> {
  try {
    await read();
    return "read";
  } catch (error) {
    return error instanceof VarveError ? error.code : String(error);
  }
}

test(`node.json and note.json: read, or DATA_DIR_UNUSABLE (SEED=${seed})`, async () => {
  const disk = new SimDisk();
  await disk.makeDir("/data");
  const identity = {
    directoryId: "d",
    clusterId: null,
    brokerId: 1,
    bootIds: ["b"],
    formatVersion: 1,
    walId: "0".repeat(32),
  };
  await writeIdentity(disk, "/data", identity);
  await writeNote(disk, "/data", "note");
  const prng = new Prng(seed);
  for (const [name, read] of [
    ["node.json", readIdentity],
    ["note.json", readNote],
  ] as const) {
    const good = disk.contentOf(`/data/${name}`);
    for (let round = 0; round < 300; round++) {
      const spoiled = withJsonSum(mutateJson(prng, good, []));
      await writeWholeFile(disk, "/data", name, [spoiled]);
      const where = `round ${round}: ${Buffer.from(spoiled.subarray(0, 300)).toString()}`;
      expect(["read", "DATA_DIR_UNUSABLE"], where).toContain(await codeOf(() => read(disk, "/data")));
    }
  }
});
