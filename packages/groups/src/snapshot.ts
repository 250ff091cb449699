/**
 * snapshot.ts: a whole shard as entries of a key-value store, and as one section of a checkpoint.
 *
 * A section: the bytes `VGRP`, format version (u32), number of entries (u32); then for each entry, sorted by key: length of the key
 * (u32), the key in ASCII, length of the value (u32), the value of records.ts. Integers are little-endian.
 *
 * Invariants:
 *   S1  equal states give equal bytes
 *   S2  decoding is total, in time and memory of the order of the bytes given: the same state, or VarveError DATA_DIR_UNUSABLE
 *   S3  what is decoded holds G1 and G2 of model.ts; limits that were lowered since are no damage
 */
import { shape, VarveError } from "@varve/base";
import { groupKey, memberKey, offsetKey, parseKey, SHARD_KEY } from "./keys.js";
import type { GroupLimits } from "./limits.js";
import { emptyGroup, emptyShard, type Group, type Shard } from "./model.js";
import { compareText, getPartition, partitionEntries, putPartition } from "./partition-map.js";
import {
  committedRecord,
  committedToRecord,
  groupRecord,
  groupToRecord,
  memberFromRecord,
  memberToRecord,
  RECORDS_VERSION,
  shardRecord,
  shardToRecord,
} from "./records.js";

const { ShapeError } = shape;

/** A key and its value; null: there is none any more. */
export type Change = readonly [key: string, value: Uint8Array | null];
export type Entry = readonly [key: string, value: Uint8Array];

const MAGIC = 0x50524756;
const VERSION = 1;
const HEADER_BYTES = 12;
const encoder = new TextEncoder();

/** The value of a key as it is now; null when there is none. */
export function currentValue(shard: Shard, key: string): Uint8Array | null {
  const parsed = parseKey(key);
  if (parsed === null) return null;
  if (parsed.kind === "shard") return toBytes(shardToRecord(shard));
  const group = shard.groups.get(parsed.group);
  if (group === undefined) return null;
  if (parsed.kind === "group") return toBytes(groupToRecord(group));
  if (parsed.kind === "member") {
    const member = group.members.get(parsed.memberId);
    return member === undefined ? null : toBytes(memberToRecord(member));
  }
  const committed = getPartition(group.offsets, parsed.topicId, parsed.partition);
  return committed === undefined ? null : toBytes(committedToRecord(committed));
}

/** All entries, sorted by key. */
export function entriesOf(shard: Shard): Entry[] {
  const entries: Entry[] = [[SHARD_KEY, toBytes(shardToRecord(shard))]];
  for (const group of shard.groups.values()) {
    entries.push([groupKey(group.name), toBytes(groupToRecord(group))]);
    for (const member of group.members.values())
      entries.push([memberKey(group.name, member.memberId), toBytes(memberToRecord(member))]);
    for (const [topicId, partition, committed] of partitionEntries(group.offsets))
      entries.push([offsetKey(group.name, topicId, partition), toBytes(committedToRecord(committed))]);
  }
  return entries.sort(([left], [right]) => compareText(left, right));
}

/** @throws VarveError DATA_DIR_UNUSABLE when the entries are not a shard's, or of a version that is not known here. */
export function shardFromEntries(entries: Iterable<Entry>, limits: GroupLimits): Shard {
  const shard = emptyShard(limits);
  let seen = false;
  for (const [key, value] of entries) {
    try {
      if (readEntry(shard, key, value)) seen = true;
    } catch (error) {
      if (error instanceof ShapeError) throw unusable(`is damaged: ${error.message}`);
      throw error;
    }
  }
  if (!seen && shard.groups.size > 0) throw unusable(`is damaged: it has groups but no entry ${SHARD_KEY}`);
  for (const group of shard.groups.values()) index(shard, group);
  return shard;
}

/** Says whether it was the shard's own entry. */
function readEntry(shard: Shard, key: string, bytes: Uint8Array): boolean {
  const parsed = parseKey(key);
  if (parsed === null) throw unusable(`is damaged: it has the key ${JSON.stringify(key.slice(0, 100))}`);
  const value = fromBytes(key, bytes);
  if (parsed.kind === "shard") {
    readShard(shard, value);
    return true;
  }
  const group = shard.groups.get(parsed.group) ?? { ...emptyGroup(parsed.group, 0), epoch: -1 };
  shard.groups.set(parsed.group, group);
  if (parsed.kind === "group") {
    const { topics, ...record } = groupRecord(value, key);
    Object.assign(group, record);
    for (const { topic, ...known } of topics) group.topics.set(topic, known);
  } else if (parsed.kind === "member") {
    group.members.set(parsed.memberId, memberFromRecord(parsed.memberId, value, key));
  } else {
    putPartition(group.offsets, parsed.topicId, parsed.partition, committedRecord(value, key));
  }
  return false;
}

function readShard(shard: Shard, value: unknown): void {
  const version = typeof value === "object" && value !== null && "version" in value ? value.version : undefined;
  if (version !== RECORDS_VERSION) throw unusable(`has format version ${shape.shown(version)}; upgrade this broker`);
  const { appliedIndex, epochFloor } = shardRecord(value, SHARD_KEY);
  shard.appliedIndex = appliedIndex;
  shard.epochFloor = epochFloor;
}

/** Derives what is not stored (G1), and checks what is (G2). */
function index(shard: Shard, group: Group): void {
  if (group.epoch < 0) throw unusable(`is damaged: members or offsets of group ${group.name} are there without it`);
  for (const member of group.members.values()) {
    if (member.memberEpoch > group.epoch) throw unusable(`is damaged: a member of group ${group.name} is ahead of it`);
    for (const partitions of [member.assigned, member.revoking]) {
      for (const [topicId, partition, epoch] of partitionEntries(partitions)) {
        const taken = getPartition(group.owners, topicId, partition) !== undefined;
        if (taken || epoch > group.epoch)
          throw unusable(`is damaged: partition ${partition} of ${topicId} in group ${group.name} has two owners`);
        putPartition(group.owners, topicId, partition, member.memberId);
      }
    }
    if (member.staticId === null) continue;
    if (group.staticIds.has(member.staticId))
      throw unusable(`is damaged: two members of ${group.name} have one static id`);
    group.staticIds.set(member.staticId, member.memberId);
  }
  for (const partitions of group.offsets.values()) group.offsetCount += partitions.size;
  if (group.members.size === 0 && group.offsetCount === 0) shard.groups.delete(group.name);
}

export function encodeShard(shard: Shard): Uint8Array {
  const entries = entriesOf(shard).map(([key, value]): [Uint8Array, Uint8Array] => [encoder.encode(key), value]);
  const sizeBytes = entries.reduce((sum, [key, value]) => sum + 8 + key.length + value.length, HEADER_BYTES);
  const bytes = new Uint8Array(sizeBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, VERSION, true);
  view.setUint32(8, entries.length, true);
  let at = HEADER_BYTES;
  for (const part of entries.flat()) {
    view.setUint32(at, part.length, true);
    bytes.set(part, at + 4);
    at += 4 + part.length;
  }
  return bytes;
}

/** @throws VarveError DATA_DIR_UNUSABLE when the bytes are damaged or of a version that is not known here. */
export function decodeShard(bytes: Uint8Array, limits: GroupLimits): Shard {
  return shardFromEntries(readSection(bytes), limits);
}

function* readSection(bytes: Uint8Array): Generator<Entry> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEADER_BYTES || view.getUint32(0, true) !== MAGIC) throw unusable("is damaged: it has no header");
  const version = view.getUint32(4, true);
  if (version !== VERSION) throw unusable(`has format version ${version}; upgrade this broker`);
  let at = HEADER_BYTES;
  const part = (): Uint8Array => {
    const start = at + 4;
    const length = start <= bytes.length ? view.getUint32(at, true) : bytes.length;
    if (start + length > bytes.length) throw unusable("is damaged: it is cut short");
    at = start + length;
    return bytes.subarray(start, at);
  };
  let before = "";
  for (let left = view.getUint32(8, true); left > 0; left--) {
    const key = new TextDecoder("latin1").decode(part());
    if (key <= before) throw unusable("is damaged: its keys are not in order");
    before = key;
    yield [key, part()];
  }
  if (at !== bytes.length) throw unusable("is damaged: it is too long");
}

function toBytes(value: object): Uint8Array {
  return encoder.encode(JSON.stringify(value));
}

function fromBytes(key: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw unusable(`is damaged: the value of ${key} is not JSON in UTF-8`);
  }
}

function unusable(problem: string): VarveError {
  return new VarveError("DATA_DIR_UNUSABLE", {
    message: `the stored state of consumer groups ${problem}; nothing was changed`,
  });
}
