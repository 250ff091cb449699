/**
 * command-codec.ts: commands as bytes in the controller's log: `{"version":1,"command":{...}}`, JSON in UTF-8.
 *
 * Invariants:
 *   E1  decodeCommand(encodeCommand(command)) equals command
 *   E2  decoding is total: bytes are a command of a known version, or a VarveError says why not
 *   E3  what a command asks for (names, counts, settings) is judged when it is applied, not here: shapes only
 */
import { KIB, shape, VarveError } from "@varve/base";
import type { ControllerCommand, DirectoryProof, FoundingVoter, RegisterBrokerCommand } from "./commands.js";
import { FIRST_LEVEL } from "./feature-levels.js";
import { CLUSTER_LIMITS } from "./model.js";

const { ShapeError, bool, dictionary, list, nullable, number, object, oneOf, text } = shape;
type Reader<T> = shape.Reader<T>;

/** Version of the commands' format. A broker that reads a later one stops: it cannot know what the command does. */
export const COMMAND_VERSION = 1;
/** Largest encoded command. */
export const COMMAND_BYTES_MAX = 256 * KIB;

const ID_LENGTH_MAX = 64;
const TEXT_LENGTH_MAX = 1_024;
/** Long enough that a name which is too long is refused as a name. */
const NAME_LENGTH_MAX = 16 * KIB;
const CONFIG_KEYS_MAX = 256;

const id = text(ID_LENGTH_MAX);
const name = text(NAME_LENGTH_MAX);
const short = text(TEXT_LENGTH_MAX);
const brokerIds = list(number, CLUSTER_LIMITS.brokersMax);
const replicaIds = list(number, CLUSTER_LIMITS.brokersMax);
const configPatch = dictionary(nullable(number), CONFIG_KEYS_MAX);

const proof: { readonly [Key in keyof DirectoryProof]: Reader<DirectoryProof[Key]> } = {
  brokerId: number,
  directoryId: id,
  bootId: id,
  priorBootIds: list(id, CLUSTER_LIMITS.bootIdsMax),
};

const voter = object<FoundingVoter>({ brokerId: number, directoryId: id, replicaId: number, peerAddress: short });

const READERS: {
  readonly [Kind in ControllerCommand["kind"]]: Reader<Extract<ControllerCommand, { kind: Kind }>>;
} = {
  founding: object({ kind: oneOf("founding"), clusterId: id, voters: list(voter, CLUSTER_LIMITS.brokersMax) }),
  joinBroker: object({ kind: oneOf("joinBroker"), ...proof, peerAddress: short }),
  registerBroker: object<RegisterBrokerCommand>({
    kind: oneOf("registerBroker"),
    ...proof,
    grpcAddress: short,
    peerAddress: short,
    opsAddress: short,
    rack: nullable(short),
    host: short,
    version: short,
    formatVersion: number,
    // Left out when it is 1, as brokers of level 1 know no such field; the leader lets no other one into the log of such a cluster (F3).
    formatVersionMin: (value, path) => (value === undefined ? FIRST_LEVEL : number(value, path)),
  }),
  createTopic: object({
    kind: oneOf("createTopic"),
    topic: name,
    topicId: id,
    partitions: nullable(number),
    replicas: nullable(number),
    config: configPatch,
    ifNotExists: bool,
    avoidBrokers: brokerIds,
  }),
  deleteTopic: object({ kind: oneOf("deleteTopic"), topic: name, topicId: nullable(id) }),
  alterTopic: object({ kind: oneOf("alterTopic"), topic: name, config: configPatch }),
  addPartitions: object({ kind: oneOf("addPartitions"), topic: name, partitions: number, avoidBrokers: brokerIds }),
  allocateProducerIds: object({ kind: oneOf("allocateProducerIds"), count: number }),
  setReplicas: object({
    kind: oneOf("setReplicas"),
    topic: name,
    topicId: nullable(id),
    partition: number,
    brokers: brokerIds,
  }),
  renewReplica: object({ kind: oneOf("renewReplica"), groupId: number, replicaId: number }),
  replicasLeft: object({ kind: oneOf("replicasLeft"), groupId: number, replicaIds }),
  decommissionBroker: object({
    kind: oneOf("decommissionBroker"),
    brokerId: number,
    avoidBrokers: brokerIds,
    cancel: bool,
  }),
  drainBroker: object({ kind: oneOf("drainBroker"), brokerId: number, drained: bool }),
  replaceBroker: object({ kind: oneOf("replaceBroker"), brokerId: number }),
  controllerReplicasLeft: object({ kind: oneOf("controllerReplicasLeft"), replicaIds }),
  renewControllerReplica: object({ kind: oneOf("renewControllerReplica"), replicaId: number }),
  finalizeLevel: object({ kind: oneOf("finalizeLevel"), level: number }),
};

/**
 * The command as bytes for the log.
 * @throws VarveError INVALID_ARGUMENT when a number is not finite, a text is too long or the whole is over COMMAND_BYTES_MAX.
 */
export function encodeCommand(command: ControllerCommand): Uint8Array {
  const text = JSON.stringify({ version: COMMAND_VERSION, command: checked(command) }, withoutFirstLevel);
  const bytes = new TextEncoder().encode(text);
  if (bytes.length > COMMAND_BYTES_MAX) throw tooLarge(bytes.length);
  return bytes;
}

/** @throws VarveError INVALID_ARGUMENT when the bytes are no command, or one of a version that is not known here. */
export function decodeCommand(bytes: Uint8Array): ControllerCommand {
  if (bytes.length > COMMAND_BYTES_MAX) throw tooLarge(bytes.length);
  let envelope: unknown;
  try {
    envelope = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new VarveError("INVALID_ARGUMENT", { message: "a controller command is not JSON in UTF-8", cause });
  }
  const fields: { version?: unknown; command?: unknown } = typeof envelope === "object" ? (envelope ?? {}) : {};
  if (fields.version !== COMMAND_VERSION) {
    throw new VarveError("INVALID_ARGUMENT", {
      message: `a controller command has format version ${shape.shown(fields.version)}, this broker knows ${COMMAND_VERSION}; upgrade this broker`,
      details: { versionKnown: COMMAND_VERSION },
    });
  }
  return checked(fields.command);
}

function checked(value: unknown): ControllerCommand {
  const kind: unknown = typeof value === "object" && value !== null && "kind" in value ? value.kind : undefined;
  if (typeof kind !== "string" || !isKind(kind)) {
    throw new VarveError("INVALID_ARGUMENT", {
      message: "a controller command is of no known kind; upgrade this broker",
    });
  }
  try {
    return READERS[kind](value, kind);
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error;
    throw new VarveError("INVALID_ARGUMENT", { message: `bad controller command: ${error.message}`, cause: error });
  }
}

function withoutFirstLevel(key: string, value: unknown): unknown {
  return key === "formatVersionMin" && value === FIRST_LEVEL ? undefined : value;
}

function isKind(kind: string): kind is ControllerCommand["kind"] {
  return Object.hasOwn(READERS, kind);
}

function tooLarge(commandBytes: number): VarveError {
  return new VarveError("INVALID_ARGUMENT", {
    message: `a controller command has ${commandBytes} bytes, at most ${COMMAND_BYTES_MAX} are allowed`,
    details: { commandBytes, commandBytesMax: COMMAND_BYTES_MAX },
  });
}
