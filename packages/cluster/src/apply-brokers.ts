/**
 * apply-brokers.ts: the commands about brokers and the controller's own group: founding, joining, registering.
 */
import { assertDefined, type BrokerId, INT31_MAX, NUMBER_MAX, type ReplicaId } from "@varve/base";
import { renewOnDirectory } from "./apply-replicas.js";
import type { DirectoryProof, FoundingCommand, JoinBrokerCommand, RegisterBrokerCommand } from "./commands.js";
import { judgeDirectory, wipedDirectory } from "./directory-proof.js";
import { registrationProblem } from "./feature-levels.js";
import { type Broker, CLUSTER_LIMITS, type ControllerReplica } from "./model.js";
import { changed, DONE, type Outcome, refused, unchanged } from "./outcome.js";
import { type CommandValue, type Refusal, refuse } from "./result.js";
import type { Tables } from "./tables.js";

const ID = /^[A-Za-z0-9-]{1,64}$/;
/** Longest address, rack, host or version text. */
const TEXT_LENGTH_MAX = 300;

export function applyFounding(tables: Tables, command: FoundingCommand): Outcome {
  if (tables.clusterId === command.clusterId) return unchanged(DONE);
  const problem = foundingProblem(tables, command);
  if (problem !== null) return refused(problem);
  tables.clusterId = command.clusterId;
  tables.controllerReplicas = sortedReplicas(command.voters.map((voter) => ({ ...voter, leaving: false })));
  tables.nextControllerReplicaId = Math.max(...command.voters.map(({ replicaId }) => replicaId)) + 1;
  return changed(DONE);
}

function foundingProblem(tables: Tables, { clusterId, voters }: FoundingCommand): Refusal | null {
  if (tables.clusterId !== null) {
    return refuse(
      "INVALID_ARGUMENT",
      `cluster ${tables.clusterId} exists already and cannot be founded again as ${clusterId}`,
      { clusterId: tables.clusterId },
    );
  }
  const problems: string[] = [];
  if (!ID.test(clusterId)) problems.push("clusterId is not an id");
  if (voters.length < 1 || voters.length > CLUSTER_LIMITS.votersMax) {
    problems.push(`a cluster has 1 .. ${CLUSTER_LIMITS.votersMax} first voters, not ${voters.length}`);
  }
  if (voters.some(({ brokerId }) => !isBrokerId(brokerId))) problems.push("a broker id is outside 1 .. 2^31 - 1");
  if (voters.some(({ directoryId }) => !ID.test(directoryId))) problems.push("a directoryId is not an id");
  if (voters.some(({ replicaId }) => !isReplicaId(replicaId))) problems.push("a replica id is not a positive integer");
  if (voters.some(({ peerAddress }) => isLong(peerAddress))) problems.push("a peer address is too long");
  for (const key of ["brokerId", "directoryId", "replicaId"] as const) {
    if (new Set(voters.map((voter) => voter[key])).size < voters.length)
      problems.push(`two voters have the same ${key}`);
  }
  return problems.length === 0
    ? null
    : refuse("INVALID_ARGUMENT", `bad founding: ${problems.join("; ")}`, { problems });
}

export function applyJoinBroker(tables: Tables, command: JoinBrokerCommand): Outcome {
  if (isLong(command.peerAddress)) return refused(refuse("INVALID_ARGUMENT", "the peer address is too long"));
  const admitted = admit(tables, command);
  if (!admitted.ok) return admitted.outcome;
  const seated = seat(tables, command, command.peerAddress);
  const value = memberValue(tables, command);
  return admitted.changed || seated ? changed(value) : unchanged(value);
}

export function applyRegisterBroker(tables: Tables, command: RegisterBrokerCommand): Outcome {
  const problem = endpointsProblem(command) ?? registrationProblem(tables, command);
  if (problem !== null) return refused(problem);
  const admitted = admit(tables, command);
  if (!admitted.ok) return admitted.outcome;
  const seated = seat(tables, command, command.peerAddress);
  const { brokerId, directoryId, grpcAddress, peerAddress, opsAddress, rack, host, version } = command;
  const { formatVersion, formatVersionMin } = command;
  const endpoints = { grpcAddress, peerAddress, opsAddress, rack, host, version, formatVersion, formatVersionMin };
  const known = tables.brokers.get(brokerId);
  const broker = { brokerId, directoryId, ...endpoints, drained: false, leaving: known?.leaving ?? false };
  const moved = known === undefined || !sameBroker(known, broker);
  if (moved) tables.brokers.set(brokerId, broker);
  const renewed = known?.directoryId !== directoryId && renewOnDirectory(tables, brokerId, directoryId);
  const value = memberValue(tables, command);
  return admitted.changed || seated || moved || renewed ? changed(value) : unchanged(value);
}

function endpointsProblem(command: RegisterBrokerCommand): Refusal | null {
  const { brokerId, grpcAddress, peerAddress, opsAddress, rack, host, version } = command;
  const { formatVersion, formatVersionMin } = command;
  const problems = Object.entries({ grpcAddress, peerAddress, opsAddress, rack: rack ?? "", host, version })
    .filter(([, value]) => isLong(value))
    .map(([key]) => `${key} has more than ${TEXT_LENGTH_MAX} characters`);
  if (![formatVersion, formatVersionMin].every(Number.isSafeInteger))
    problems.push("a feature level is not an integer");
  if (problems.length === 0) return null;
  return refuse("INVALID_ARGUMENT", `bad registration of broker ${brokerId}: ${problems.join("; ")}`, { problems });
}

function isLong(value: string): boolean {
  return value.length > TEXT_LENGTH_MAX;
}

/** Judges the directory and remembers what was seen of it. Nothing else has changed when the answer is no. */
function admit(
  tables: Tables,
  proof: DirectoryProof,
): { readonly ok: true; readonly changed: boolean } | { readonly ok: false; readonly outcome: Outcome } {
  const problem = admissionProblem(tables, proof);
  if (problem !== null) return { ok: false, outcome: refused(problem) };
  const known = tables.directories.get(proof.directoryId) ?? null;
  const verdict = judgeDirectory(known, proof);
  if (verdict.record !== null) tables.directories.set(proof.directoryId, verdict.record);
  if (verdict.kind === "accepted") return { ok: true, changed: verdict.record !== known };
  return { ok: false, outcome: { result: verdict.refusal, changed: verdict.record !== null } };
}

function admissionProblem(tables: Tables, proof: DirectoryProof): Refusal | null {
  const { brokerId, directoryId, bootId, priorBootIds } = proof;
  if (tables.clusterId === null) return refuse("NOT_ENOUGH_REPLICAS", "the cluster has not been founded yet");
  if (!isBrokerId(brokerId)) {
    return refuse("INVALID_ARGUMENT", `broker id ${brokerId} is outside 1 .. 2^31 - 1`, { brokerId: String(brokerId) });
  }
  if (!ID.test(directoryId)) return refuse("INVALID_ARGUMENT", `broker ${brokerId} sent no valid directory id`);
  if (priorBootIds.length >= CLUSTER_LIMITS.bootIdsMax || ![bootId, ...priorBootIds].every((id) => ID.test(id))) {
    return refuse("INVALID_ARGUMENT", `broker ${brokerId} sent a bad list of boot ids`, { brokerId });
  }
  const owner = ownerOf(tables, brokerId);
  if (owner !== null && owner.directoryId !== directoryId) return wipedDirectory(owner, proof);
  const brokers = new Set(
    [...tables.directories.values(), ...tables.controllerReplicas].map((known) => known.brokerId),
  );
  if (!tables.directories.has(directoryId) && tables.directories.size >= CLUSTER_LIMITS.directoriesMax) {
    return refuse(
      "INVALID_ARGUMENT",
      `the cluster knows ${CLUSTER_LIMITS.directoriesMax} data directories, the most it can`,
    );
  }
  if (owner === null && brokers.size >= CLUSTER_LIMITS.brokersMax) {
    return refuse("INVALID_ARGUMENT", `the cluster has ${CLUSTER_LIMITS.brokersMax} brokers, the most it can have`);
  }
  const seatOwner = tables.controllerReplicas.find((replica) => replica.directoryId === directoryId);
  if (seatOwner !== undefined && seatOwner.brokerId !== brokerId) {
    return refuse(
      "DATA_DIR_UNUSABLE",
      `data directory ${directoryId} belongs to broker ${seatOwner.brokerId}, and broker ${brokerId} was started on it`,
      { directoryId, brokerId, ownerBrokerId: seatOwner.brokerId },
    );
  }
  return null;
}

/** The directory that a broker id is bound to, by founding or by an earlier registration, unless it is retired (T4). */
function ownerOf(tables: Tables, brokerId: BrokerId): { brokerId: BrokerId; directoryId: string } | null {
  const isRetired = (directoryId: string): boolean => tables.directories.get(directoryId)?.retired ?? false;
  const seat = tables.controllerReplicas.find(
    (replica) => replica.brokerId === brokerId && !isRetired(replica.directoryId),
  );
  if (seat !== undefined) return seat;
  for (const record of tables.directories.values()) if (record.brokerId === brokerId && !record.retired) return record;
  return null;
}

/** Gives the directory its replica of the controller's group, a learner at first; true when something is new. */
function seat(tables: Tables, { brokerId, directoryId }: DirectoryProof, peerAddress: string): boolean {
  const known = seatOf(tables, directoryId);
  if (known?.peerAddress === peerAddress) return false;
  const replica: ControllerReplica =
    known === undefined
      ? {
          brokerId,
          directoryId,
          replicaId: tables.nextControllerReplicaId++,
          peerAddress,
          leaving: false,
        }
      : { ...known, peerAddress };
  const others = tables.controllerReplicas.filter((other) => other !== known);
  tables.controllerReplicas = sortedReplicas([...others, replica]);
  return true;
}

/** The controller's replica on a directory; one that is leaving only while there is no other. */
function seatOf(tables: Tables, directoryId: string): ControllerReplica | undefined {
  const seats = tables.controllerReplicas.filter((replica) => replica.directoryId === directoryId);
  return seats.find(({ leaving }) => !leaving) ?? seats[0];
}

function memberValue(tables: Tables, { directoryId }: DirectoryProof): CommandValue {
  const own = seatOf(tables, directoryId);
  return {
    kind: "member",
    clusterId: assertDefined(tables.clusterId, "only a founded cluster admits brokers"),
    replicaId: assertDefined(own, "an admitted directory has a seat").replicaId,
    controllerReplicas: tables.controllerReplicas,
  };
}

function sortedReplicas(replicas: readonly ControllerReplica[]): readonly ControllerReplica[] {
  return [...replicas].sort((left, right) => left.replicaId - right.replicaId);
}

function sameBroker(left: Broker, right: Broker): boolean {
  return (Object.keys(right) as (keyof Broker)[]).every((key) => left[key] === right[key]);
}

function isBrokerId(value: BrokerId): boolean {
  return Number.isInteger(value) && value >= 1 && value <= INT31_MAX;
}

function isReplicaId(value: ReplicaId): boolean {
  return Number.isInteger(value) && value >= 1 && value < NUMBER_MAX;
}
