/**
 * status.ts: what brokers tell each other about the groups they lead, for descriptions and health.
 */
import {
  type BrokerId,
  type GroupId,
  type Offset,
  type RaftIndex,
  type ReplicaId,
  shape,
  type Term,
} from "@varve/base";
import type { Replica } from "../replica/replica.js";
import { decodeJson, encodeJson } from "../routing/json-payload.js";
import { LAG_MAX } from "./leadership.js";

const { bool, count, integer, list, nullable, object, open, text } = shape;

/** Far above what a cluster has; what is above was not said by a broker. */
const GROUPS_MAX = 1_000_000;
const GROUP_REPLICAS_MAX = 1_000;
const REASONS_MAX = 10_000;
const TEXT_LENGTH_MAX = 65_536;

/** A group as its leader sees it. */
export interface GroupStatus {
  readonly groupId: GroupId;
  readonly leader: BrokerId;
  readonly epoch: Term;
  readonly voters: readonly ReplicaId[];
  readonly learners: readonly ReplicaId[];
  /** Replicas that answer and whose log lacks no committed entry, the leader among them. */
  readonly inSync: readonly ReplicaId[];
  /** Replicas that answer and lack few entries of its log, the leader among them: enough to take over soon. null: not told, by an earlier version. */
  readonly following: readonly ReplicaId[] | null;
  /** Index of the last committed entry; null: not told, by an earlier version. */
  readonly commit: RaftIndex | null;
  /** Of each learner, the entries that it still lacks of what is committed. */
  readonly behind: readonly { readonly replicaId: ReplicaId; readonly entries: number }[];
  readonly logStart: Offset;
  readonly highWatermark: Offset;
  /** What the leader's replica takes on disk; null: it did not say, as brokers of feature level 1 do not. */
  readonly bytes: number | null;
}

/** One broker's answer. */
export interface BrokerStatus {
  readonly brokerId: BrokerId;
  readonly ready: boolean;
  /** Why it is not ready; empty when it is. */
  readonly reasons: readonly string[];
  readonly groups: readonly GroupStatus[];
}

/** Status of a group that this broker leads and serves; null otherwise. */
export function groupStatus(replica: Replica, brokerId: BrokerId): GroupStatus | null {
  if (!replica.isReadyLeader()) return null;
  const { voters, learners } = replica.log.replicas;
  const { logStartOffset, highWatermark } = replica.log.pointers();
  const commit = replica.node.commit;
  const members = [...voters, ...learners];
  const answering = (id: ReplicaId, match: RaftIndex): boolean => {
    if (id === replica.id) return true;
    const progress = replica.node.progress(id);
    return progress?.isAnswering === true && progress.state === "replicate" && progress.match >= match;
  };
  return {
    groupId: replica.groupId,
    leader: brokerId,
    epoch: replica.node.term,
    voters: [...voters],
    learners: [...learners],
    inSync: members.filter((id) => answering(id, commit)),
    following: members.filter((id) => answering(id, replica.node.lastIndex - LAG_MAX)),
    commit,
    behind: learners.map((id) => ({
      replicaId: id,
      entries: Math.max(0, commit - (replica.node.progress(id)?.match ?? 0)),
    })),
    logStart: logStartOffset,
    highWatermark,
    bytes: replica.log.diskBytes(),
  };
}

export function encodeStatus(status: BrokerStatus): Uint8Array {
  return encodeJson(status);
}

/** Fields that earlier versions do not send. */
function orNull<T>(reader: shape.Reader<T>): shape.Reader<T | null> {
  return (value, path) => (value === undefined || value === null ? null : reader(value, path));
}

const ids = list(count, GROUP_REPLICAS_MAX);

const readStatus = open<BrokerStatus>({
  brokerId: count,
  ready: bool,
  reasons: list(text(TEXT_LENGTH_MAX), REASONS_MAX),
  groups: list(
    open<GroupStatus>({
      groupId: count,
      leader: count,
      epoch: count,
      voters: ids,
      learners: ids,
      inSync: ids,
      following: orNull(ids),
      commit: orNull(count),
      behind: list(object({ replicaId: count, entries: count }), GROUP_REPLICAS_MAX),
      logStart: count,
      highWatermark: count,
      bytes: (value, path) => nullable(count)(value ?? null, path),
    }),
    GROUPS_MAX,
  ),
});

/** @throws VarveError INVALID_ARGUMENT: no status. */
export function decodeStatus(bytes: Uint8Array): BrokerStatus {
  return decodeJson(bytes, "status", readStatus);
}

/** Of several leaders' answers about one group, the one of the highest epoch. */
export function newestStatuses(answers: readonly BrokerStatus[]): Map<number, GroupStatus> {
  const newest = new Map<number, GroupStatus>();
  for (const { groups } of answers) {
    for (const status of groups) {
      const known = newest.get(status.groupId);
      if (known === undefined || known.epoch < status.epoch) newest.set(status.groupId, status);
    }
  }
  return newest;
}

/** The groups that a call between brokers names; a number below 0 is none. @throws VarveError INVALID_ARGUMENT: no list of integers. */
export function parseGroupIds(payload: Uint8Array): readonly number[] {
  return decodeJson(payload, "groups", list(integer, GROUPS_MAX));
}
