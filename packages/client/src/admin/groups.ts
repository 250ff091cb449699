/**
 * groups.ts: admin calls about groups: list, describe, move, delete. Each change is one whose repeat changes nothing more.
 */
import { NUMBER_MAX, type Offset, type PartitionId } from "@varve/base";
import {
  type DescribeGroupResponse,
  fromErrorStatus,
  GROUP_METHODS,
  GroupState,
  OffsetPosition,
  type SeekGroupRequest,
} from "@varve/rpc";
import type { Cluster } from "../cluster/cluster.js";
import { checkGroupName, checkOffset, checkPartition } from "../consumer/options.js";
import { invalidArgument, type WaitOptions } from "../options.js";
import { checkTopicName } from "../producer/encoded-record.js";
import type { OffsetPoint } from "./shapes.js";

/** `stable`: every partition is where it belongs. `reconciling`: some are on their way from one member to another. */
export type GroupStateName = "empty" | "assigning" | "reconciling" | "stable" | "unknown";

export interface GroupListing {
  readonly group: string;
  readonly state: GroupStateName;
  /** How many. */
  readonly members: number;
}

export interface GroupDescription {
  readonly group: string;
  readonly state: GroupStateName;
  /** The broker that coordinates it. */
  readonly coordinator: number;
  readonly members: GroupMemberDetails[];
  /** By topic and partition. */
  readonly offsets: GroupPartitionDetails[];
}

export interface GroupMemberDetails {
  readonly id: string;
  /** null: it has none. */
  readonly staticId: string | null;
  readonly clientId: string | null;
  readonly topics: string[];
  readonly assigned: { readonly topic: string; readonly partition: PartitionId }[];
}

export interface GroupPartitionDetails {
  readonly topic: string;
  readonly partition: PartitionId;
  /** Offset of the next record to work on; null: none is stored. */
  readonly committed: Offset | null;
  /** Where the partition ends; null: not known now. */
  readonly highWatermark: Offset | null;
  /** Records that wait; null: not known now. */
  readonly lagRecords: number | null;
  /** Age of the next record to work on, ms; 0: none waits; null: not known now. */
  readonly lagMs: number | null;
  /** Why the lag is not known; null: it is. */
  readonly problem: string | null;
}

/** Where a group goes on. `{ offset }` without `partition` is that offset in every partition, and must lie in each. */
export interface SeekGroupInput {
  readonly group: string;
  readonly topic: string;
  /** Default: all. */
  readonly partition?: number | undefined;
  readonly to: OffsetPoint | { readonly offset: number };
}

export interface SeekGroupResult {
  readonly offsets: { readonly partition: PartitionId; readonly offset: Offset }[];
}

const STATE_NAMES: ReadonlyMap<number, GroupStateName> = new Map([
  [GroupState.EMPTY, "empty"],
  [GroupState.ASSIGNING, "assigning"],
  [GroupState.RECONCILING, "reconciling"],
  [GroupState.STABLE, "stable"],
]);

export class GroupAdmin {
  private readonly cluster: Cluster;

  constructor(cluster: Cluster) {
    this.cluster = cluster;
  }

  async list(wait: WaitOptions): Promise<GroupListing[]> {
    const answer = await this.cluster.call(
      GROUP_METHODS.listGroups,
      {},
      { what: "listGroups", kind: "read", signal: wait.signal },
    );
    return answer.groups.map(({ group, state, members }) => ({ group, state: stateName(state), members }));
  }

  async describe(group: string, wait: WaitOptions): Promise<GroupDescription> {
    checkGroupName(group);
    const what = `describeGroup ${JSON.stringify(group)}`;
    return description(
      await this.cluster.call(GROUP_METHODS.describeGroup, { group }, { what, kind: "read", signal: wait.signal }),
    );
  }

  async seek(input: SeekGroupInput, wait: WaitOptions): Promise<SeekGroupResult> {
    const { group, topic } = input;
    checkGroupName(group);
    checkTopicName(topic);
    const partition = input.partition === undefined ? null : checkPartition(input.partition);
    const request = { group, topic, partition, ...position(input.to) };
    const what = `seekGroup ${JSON.stringify(group)}`;
    const answer = await this.cluster.call(GROUP_METHODS.seekGroup, request, {
      what,
      kind: "write",
      signal: wait.signal,
    });
    return { offsets: answer.offsets.map((each) => ({ partition: each.partition, offset: each.offset })) };
  }

  async delete(group: string, wait: WaitOptions): Promise<void> {
    checkGroupName(group);
    await this.cluster.call(
      GROUP_METHODS.deleteGroup,
      { group },
      {
        what: `deleteGroup ${JSON.stringify(group)}`,
        kind: "write",
        signal: wait.signal,
        doneBefore: ({ code }) => (code === "UNKNOWN_GROUP" ? {} : null),
      },
    );
  }
}

function description(answer: DescribeGroupResponse): GroupDescription {
  return {
    group: answer.group,
    state: stateName(answer.state),
    coordinator: answer.coordinator,
    members: answer.members.map(({ memberId, staticId, clientId, topics, assigned }) => ({
      id: memberId,
      staticId: staticId === "" ? null : staticId,
      clientId: clientId === "" ? null : clientId,
      topics: [...topics],
      assigned: assigned.map(({ topic, partition }) => ({ topic, partition })),
    })),
    offsets: answer.offsets.map(({ topic, partition, committed, highWatermark, lagRecords, lagMs, error }) => ({
      topic,
      partition,
      committed: known(committed),
      highWatermark: known(highWatermark),
      lagRecords: known(lagRecords),
      lagMs: known(lagMs),
      problem: error === null ? null : fromErrorStatus(error).message,
    })),
  };
}

function position(to: SeekGroupInput["to"]): Pick<SeekGroupRequest, "at" | "timeMs" | "offset"> {
  if (to === "earliest") return { at: OffsetPosition.EARLIEST, timeMs: 0, offset: 0 };
  if (to === "latest") return { at: OffsetPosition.LATEST, timeMs: 0, offset: 0 };
  if (typeof to === "object" && to !== null && "timeMs" in to && Number.isFinite(to.timeMs)) {
    const timeMs = Math.trunc(to.timeMs);
    if (timeMs >= 0 && timeMs <= NUMBER_MAX) return { at: OffsetPosition.TIME, timeMs, offset: 0 };
  }
  if (typeof to === "object" && to !== null && "offset" in to)
    return { at: OffsetPosition.UNSPECIFIED, timeMs: 0, offset: checkOffset(to.offset) };
  throw invalidArgument(`to is ${JSON.stringify(to)}, but must be earliest, latest, { offset } or { timeMs }`);
}

function stateName(state: GroupState): GroupStateName {
  return STATE_NAMES.get(state) ?? "unknown";
}

/** The wire says -1 for what is not known. */
function known(value: number): number | null {
  return value < 0 ? null : value;
}
