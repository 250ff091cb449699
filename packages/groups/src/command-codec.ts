/**
 * command-codec.ts: commands as bytes in the log of a shard: `{"version":1,"command":{...}}`, JSON in UTF-8.
 *
 * Invariants:
 *   E1  decodeCommand(encodeCommand(command)) equals command
 *   E2  decoding is total: bytes are a command of a known version, or a VarveError says why not
 *   E3  what a command asks for (names, epochs, offsets) is judged when it is applied, not here: shapes only
 */
import { LIMITS, MIB, shape, VarveError } from "@varve/base";
import type {
  GroupCommand,
  OffsetCommit,
  SeekCommand,
  TopicMetadata,
  TopicPartitions,
  TopicsChangedCommand,
} from "./commands.js";
import { partitionList, topicId } from "./records.js";

const { ShapeError, count, integer, list, nullable, object, oneOf, text, wholeUpTo } = shape;
type Reader<T> = shape.Reader<T>;

/** Version of the commands' format. A broker that reads a later one stops: it cannot know what the command does. */
export const COMMAND_VERSION = 1;
/** Largest encoded command. */
export const COMMAND_BYTES_MAX = MIB;

/** Long enough that what is too long is refused by the rule that it breaks. */
const short = text(16_384);
const LIST_LENGTH_MAX = 100_000;

/** More would make the assignor count them all, whoever wrote the number. */
const partitionCount = wholeUpTo(LIMITS.partitionsPerTopicMax);
const topic = object<TopicMetadata>({ topic: short, topicId, partitions: partitionCount });
const changedTopic = object<TopicsChangedCommand["topics"][number]>({
  topic: short,
  topicId: nullable(topicId),
  partitions: partitionCount,
});
const owned = object<TopicPartitions>({ topicId, partitions: partitionList });
const commit = object<OffsetCommit>({
  topicId: short,
  partition: integer,
  assignmentEpoch: nullable(integer),
  offset: integer,
  leaderEpoch: nullable(count),
  metadata: short,
});
const target = object<SeekCommand["offsets"][number]>({ topicId: short, partition: integer, offset: integer });

const READERS: { readonly [Kind in GroupCommand["kind"]]: Reader<Extract<GroupCommand, { kind: Kind }>> } = {
  heartbeat: object({
    kind: oneOf("heartbeat"),
    group: short,
    memberId: short,
    memberEpoch: integer,
    staticId: nullable(short),
    clientId: short,
    host: short,
    sessionTimeoutMs: integer,
    rebalanceTimeoutMs: integer,
    topics: nullable(list(short, LIST_LENGTH_MAX)),
    owned: nullable(list(owned, LIST_LENGTH_MAX)),
    startFrom: oneOf("earliest", "latest"),
    nowMs: count,
    metadata: list(topic, LIST_LENGTH_MAX),
    metadataVersion: count,
  }),
  expire: object({ kind: oneOf("expire"), group: short, memberIds: list(short, LIST_LENGTH_MAX), nowMs: count }),
  topicsChanged: object({
    kind: oneOf("topicsChanged"),
    group: short,
    topics: list(changedTopic, LIST_LENGTH_MAX),
    deletedTopicIds: list(topicId, LIST_LENGTH_MAX),
    metadataVersion: count,
    nowMs: count,
  }),
  commit: object({
    kind: oneOf("commit"),
    group: short,
    memberId: nullable(short),
    memberEpoch: integer,
    offsets: list(commit, LIST_LENGTH_MAX),
    nowMs: count,
  }),
  seek: object({ kind: oneOf("seek"), group: short, offsets: list(target, LIST_LENGTH_MAX), nowMs: count }),
  deleteGroup: object({ kind: oneOf("deleteGroup"), group: short }),
};

/**
 * The command as bytes for the log.
 * @throws VarveError INVALID_ARGUMENT when a number is no integer, a text is too long or the whole is over COMMAND_BYTES_MAX.
 */
export function encodeCommand(command: GroupCommand): Uint8Array {
  const bytes = new TextEncoder().encode(JSON.stringify({ version: COMMAND_VERSION, command: checked(command) }));
  if (bytes.length > COMMAND_BYTES_MAX) throw tooLarge(bytes.length);
  return bytes;
}

/** @throws VarveError INVALID_ARGUMENT when the bytes are no command, or one of a version that is not known here. */
export function decodeCommand(bytes: Uint8Array): GroupCommand {
  if (bytes.length > COMMAND_BYTES_MAX) throw tooLarge(bytes.length);
  let envelope: unknown;
  try {
    envelope = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new VarveError("INVALID_ARGUMENT", { message: "a group command is not JSON in UTF-8", cause });
  }
  const fields: { version?: unknown; command?: unknown } = typeof envelope === "object" ? (envelope ?? {}) : {};
  if (fields.version !== COMMAND_VERSION) {
    throw new VarveError("INVALID_ARGUMENT", {
      message: `a group command has format version ${shape.shown(fields.version)}, this broker knows ${COMMAND_VERSION}; upgrade this broker`,
      details: { versionKnown: COMMAND_VERSION },
    });
  }
  return checked(fields.command);
}

function checked(value: unknown): GroupCommand {
  const kind: unknown = typeof value === "object" && value !== null && "kind" in value ? value.kind : undefined;
  if (typeof kind !== "string" || !isKind(kind)) {
    throw new VarveError("INVALID_ARGUMENT", { message: "a group command is of no known kind; upgrade this broker" });
  }
  try {
    return READERS[kind](value, kind);
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error;
    throw new VarveError("INVALID_ARGUMENT", { message: `bad group command: ${error.message}`, cause: error });
  }
}

function isKind(kind: string): kind is GroupCommand["kind"] {
  return Object.hasOwn(READERS, kind);
}

function tooLarge(commandBytes: number): VarveError {
  return new VarveError("INVALID_ARGUMENT", {
    message: `a group command has ${commandBytes} bytes, at most ${COMMAND_BYTES_MAX} are allowed; send less at once`,
    details: { commandBytes, commandBytesMax: COMMAND_BYTES_MAX },
  });
}
