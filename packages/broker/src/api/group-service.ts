/**
 * group-service.ts: GroupService of the public API: messages in and out, the work itself is group-api.ts.
 */
import { type Clock, type Random, VarveError } from "@varve/base";
import type { CommittedOffset, GroupStatus } from "@varve/groups";
import {
  type CommitOffsetsRequest,
  type DescribeGroupResponse,
  type GroupMember,
  type GroupOffset,
  type GroupServiceHandlers,
  GroupState,
  type Init,
  METHODS,
  OffsetPosition,
  type SeekGroupRequest,
  toErrorStatus,
} from "@varve/rpc";
import type { DescribedGroup } from "../groups/coordinator.js";
import type { CommitRequest } from "../groups/group-methods.js";
import { readerPlaces } from "../groups/reader-places.js";
import type { CallContext, Router } from "../routing/router.js";
import { type GroupApi, groupError, type SeekPoint } from "./group-api.js";
import { MemberSession } from "./member-session.js";
import { callContext, checkGroupName, checkTopicRef, invalidArgument, offsetOf, offsetPoint } from "./requests.js";

export interface GroupServiceOptions {
  readonly api: GroupApi;
  readonly router: Router;
  readonly clock: Clock;
  readonly random: Random;
  /** The cluster's time, milliseconds since 1970, as append times are taken from. */
  readonly nowMs: () => number;
  readonly requestDeadlineMs: number;
}

/** Partitions in one commit. */
const COMMIT_PARTITIONS_MAX = 10_000;

const STATES: Readonly<Record<GroupStatus, GroupState>> = {
  empty: GroupState.EMPTY,
  assigning: GroupState.ASSIGNING,
  reconciling: GroupState.RECONCILING,
  stable: GroupState.STABLE,
};

export function groupService(options: GroupServiceOptions): GroupServiceHandlers {
  const { api, clock, random, router } = options;
  const context = (call: { readonly deadlineMs: number; readonly signal: AbortSignal }): CallContext =>
    callContext(clock.monotonicMs(), options.requestDeadlineMs, call);
  return {
    session: (stream, { peer, signal }) => new MemberSession(stream, { api, clock, random, peer, signal }).run(),
    commitOffsets: async (request, call) => {
      const wanted = commitRequest(request);
      await named(request.group, () => api.commit(wanted, context(call)));
      return {};
    },
    fetchOffsets: async ({ group, topicIds }, call) => {
      checkGroupName(group);
      for (const topicId of topicIds) checkTopicRef({ topic: "", topicId });
      const offsets = await named(group, () => api.offsets(group, context(call)));
      const wanted = new Set(topicIds);
      return {
        offsets: offsets
          .filter(({ topicId }) => wanted.size === 0 || wanted.has(topicId))
          .map((offset) => ({ ...committedOffset(offset), topic: router.topicName(offset.topicId) ?? "" })),
      };
    },
    seekGroup: async (request, call) => {
      const { group, topic: name, partition } = request;
      checkGroupName(group);
      checkTopicRef({ topic: name, topicId: "" });
      if (partition !== null && partition < 0) throw invalidArgument(`partition ${partition} is negative`);
      const to = seekPoint(request);
      const { topic, offsets } = await named(group, () =>
        api.seek({ group, topic: name, partition, to }, context(call)),
      );
      return {
        topicId: topic.topicId,
        offsets: offsets.map((moved) => ({ ...moved, topic: topic.topic })),
      };
    },
    listGroups: async (_request, call) => {
      const groups = await named("", () => api.list(context(call)));
      return {
        groups: groups.map(({ group, state, memberCount }) => ({ group, state: STATES[state], members: memberCount })),
      };
    },
    describeGroup: async ({ group }, call) => {
      checkGroupName(group);
      const described = await named(group, () => api.describe(group, context(call)));
      return describe(options, described, context(call));
    },
    deleteGroup: async ({ group }, call) => {
      checkGroupName(group);
      await named(group, () => api.deleteGroup(group, context(call)));
      return {};
    },
  };
}

/** Errors that speak of the coordinator's own partition are told as the group's. */
async function named<T>(group: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    throw groupError(thrown, group);
  }
}

function commitRequest({ group, memberId, memberEpoch, offsets }: CommitOffsetsRequest): CommitRequest {
  checkGroupName(group);
  if (offsets.length > COMMIT_PARTITIONS_MAX)
    throw invalidArgument(`a commit has at most ${COMMIT_PARTITIONS_MAX} partitions, not ${offsets.length}`);
  return {
    group,
    memberId: memberId === "" ? null : memberId,
    memberEpoch,
    offsets: offsets.map(({ topicId, partition, assignmentEpoch, offset, leaderEpoch, metadata }) => {
      checkTopicRef({ topic: "", topicId });
      if (partition < 0) throw invalidArgument(`partition ${partition} is negative`);
      return {
        topicId,
        partition,
        assignmentEpoch: memberId === "" ? null : assignmentEpoch,
        offset: offsetOf(offset),
        leaderEpoch: leaderEpoch <= 0 ? null : leaderEpoch,
        metadata,
      };
    }),
  };
}

function seekPoint({ at, timeMs, offset }: SeekGroupRequest): SeekPoint {
  return at === OffsetPosition.UNSPECIFIED ? { offset: offsetOf(offset) } : offsetPoint(at, timeMs);
}

function committedOffset({ topicId, partition, offset, leaderEpoch, metadata }: CommittedOffset) {
  return { topicId, partition, offset, leaderEpoch: leaderEpoch ?? 0, metadata };
}

async function describe(
  options: GroupServiceOptions,
  group: DescribedGroup & { readonly coordinator: number },
  context: CallContext,
): Promise<Init<DescribeGroupResponse>> {
  return {
    group: group.group,
    state: STATES[group.state],
    epoch: group.epoch,
    members: group.members.map((member) => memberOf(options.router, group, member)),
    offsets: await groupOffsets(options, group, context),
    coordinator: group.coordinator,
  };
}

function memberOf(
  router: Router,
  { offsets }: DescribedGroup,
  member: DescribedGroup["members"][number],
): Init<GroupMember> {
  const { memberId, staticId, clientId, memberEpoch, topics } = member;
  const committed = new Map(offsets.map(({ topicId, partition, offset }) => [`${topicId}/${partition}`, offset]));
  const assigned = member.assigned.flatMap(({ topicId, partitions }) =>
    partitions.map((partition) => ({
      topicId,
      topic: router.topicName(topicId) ?? "",
      partition,
      startOffset: committed.get(`${topicId}/${partition}`) ?? -1,
    })),
  );
  return { memberId, staticId: staticId ?? "", clientId, memberEpoch, topics, assigned };
}

/** Every partition that the group has a part in: subscribed to, or committed. */
async function groupOffsets(
  { api, router, nowMs }: GroupServiceOptions,
  group: DescribedGroup,
  context: CallContext,
): Promise<Init<GroupOffset>[]> {
  const listed = readerPlaces(group, (topicId) => router.topicName(topicId) ?? "");
  const backlogs = await api.backlogs(listed, context);
  const now = nowMs();
  return listed.map(({ topicId, topic, partition, from }, at): Init<GroupOffset> => {
    const place = { topicId, topic, partition, committed: from ?? -1 };
    const backlog = backlogs[at] ?? null;
    if (backlog === null)
      return {
        ...place,
        highWatermark: -1,
        lagRecords: -1,
        lagMs: -1,
        error: toErrorStatus(leaderSilent(place), METHODS.describeGroup),
      };
    const { highWatermark, records, appendTimeMs } = backlog;
    const lagMs = appendTimeMs === null ? 0 : Math.max(0, now - appendTimeMs);
    return { ...place, highWatermark, lagRecords: records, lagMs: Math.round(lagMs) };
  });
}

function leaderSilent({ topic, partition }: { readonly topic: string; readonly partition: number }): VarveError {
  return new VarveError("NOT_ENOUGH_REPLICAS", {
    message: `the leader of ${topic}/${partition} could not be asked how far it is; ask again`,
    details: { topic, partition },
    effect: "NONE",
  });
}
