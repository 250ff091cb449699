/**
 * group-api.ts: the one interface behind every listener for groups: sessions, commits, seeks, descriptions, on whichever broker.
 *
 * It knows nothing of gRPC. Calls that may be repeated without harm (heartbeats, members' commits, reads) are repeated until their
 * deadline when the coordinator changes; others only when it is certain that nothing was changed.
 */
import {
  type BrokerId,
  type Clock,
  delay,
  isVarveError,
  type Offset,
  type PartitionId,
  type TopicId,
  toVarveError,
  VarveError,
} from "@varve/base";
import { GROUPS_TOPIC, type Topic } from "@varve/cluster";
import type { CommittedOffset, CommittedPartition, GroupView, Heartbeat, HeartbeatAnswer } from "@varve/groups";
import type { Coordinator, DescribedGroup } from "../groups/coordinator.js";
import { loading, unknownGroup } from "../groups/errors.js";
import {
  AWAIT_CHANGE,
  BACKLOGS,
  COMMIT,
  type CommitRequest,
  DELETE,
  DESCRIBE,
  GROUP_READS,
  HEARTBEAT,
  HIGH_WATERMARKS,
  LIST_SHARD,
  OFFSETS,
  SEEK,
} from "../groups/group-methods.js";
import type { ReaderPlace } from "../groups/reader-places.js";
import { shardOf } from "../groups/shards.js";
import type { Backlog } from "../partition/backlog.js";
import { notLeader } from "../partition/errors.js";
import type { Partition } from "../partition/partition.js";
import type { ForwardableMethod, Forwarding } from "../routing/forwarding.js";
import type { CallContext, Located, Router } from "../routing/router.js";
import type { LogApi, OffsetPoint } from "./log-api.js";

export interface GroupApiOptions {
  readonly clock: Clock;
  readonly router: Router;
  readonly forwarding: Forwarding;
  readonly log: LogApi;
  /** Partitions of the internal topic (H1). */
  readonly shards: number;
  /** Makes the topic that holds groups, once for each cluster; resolves when it is known here. @throws VarveError. */
  readonly createGroupsTopic: (context: CallContext) => Promise<void>;
}

/** Where a seek goes: a point of the log, or an offset. */
export type SeekPoint = OffsetPoint | { readonly offset: Offset };

export interface SeekTarget {
  readonly group: string;
  readonly topic: string;
  /** null: all. */
  readonly partition: PartitionId | null;
  readonly to: SeekPoint;
}

export interface SoughtGroup {
  readonly topic: Topic;
  readonly offsets: readonly CommittedPartition[];
}

/** One attempt at another broker, which may be paused; milliseconds. */
const ATTEMPT_MS = 2_500;
const RETRY_MS = 50;
/** How long leaders may take to say what waits, milliseconds. */
const BACKLOG_MS = 2_000;
/** How long they may take to say where their logs end, while a commit waits. */
const END_MS = 500;

export class GroupApi {
  private readonly options: GroupApiOptions;

  constructor(options: GroupApiOptions) {
    this.options = options;
    this.answer(
      HEARTBEAT,
      ({ request }) => request.group,
      (coordinator, { request, isAlive }) => coordinator.heartbeat(request, isAlive),
    );
    this.answer(
      AWAIT_CHANGE,
      ({ request }) => request.group,
      async (coordinator, { request, waitMs }, { signal }) => {
        await coordinator.awaitChange(request, waitMs, signal);
        return {};
      },
    );
    this.answer(
      COMMIT,
      ({ group }) => group,
      (coordinator, request) => coordinator.commit(request),
    );
    this.answer(
      OFFSETS,
      ({ group }) => group,
      async (coordinator, { group }) => ({
        offsets: await coordinator.offsets(group),
      }),
    );
    this.answer(
      SEEK,
      ({ group }) => group,
      (coordinator, request) => coordinator.seek(request),
    );
    this.answer(
      DESCRIBE,
      ({ group }) => group,
      async (coordinator, { group }) => ({
        described: await coordinator.describe(group),
      }),
    );
    this.answer(
      DELETE,
      ({ group }) => group,
      async (coordinator, { group }) => {
        await coordinator.deleteGroup(group);
        return {};
      },
    );
    const { forwarding } = options;
    forwarding.answer(LIST_SHARD, ({ shard }, { deadlineMs, signal }) =>
      this.listShard(shard, { deadlineAtMs: deadlineMs, signal, forwarded: true }),
    );
    forwarding.answer(BACKLOGS, (places) => Promise.all(places.map((place) => this.backlogHere(place))));
    forwarding.answer(HIGH_WATERMARKS, async (places) => places.map((place) => this.highWatermarkHere(place)));
  }

  /** What a member says; it is asked again until the deadline, since repeating it changes nothing. @throws VarveError. */
  heartbeat(request: Heartbeat, isAlive: boolean, context: CallContext): Promise<HeartbeatAnswer> {
    return this.repeat(context, async (attempt) => {
      const located = await this.locateOrCreate(request.group, attempt);
      return this.onCoordinator(located, HEARTBEAT, { request, isAlive }, attempt, (coordinator) =>
        coordinator.heartbeat(request, isAlive),
      );
    });
  }

  /** Resolves when there may be news for a member: a heartbeat in its name tells. @throws VarveError when nobody coordinates. */
  async awaitChange(request: Heartbeat, waitMs: number, context: CallContext): Promise<void> {
    const located = await this.locate(request.group, context);
    await this.onCoordinator(located, AWAIT_CHANGE, { request, waitMs }, context, async (coordinator) => {
      await coordinator.awaitChange(request, waitMs, context.signal);
      return {};
    });
  }

  /**
   * Stores offsets, all or none.
   * @throws VarveError of the group's rules; OFFSET_OUT_OF_RANGE: beyond the end of a log; UNKNOWN_TOPIC_ID, UNKNOWN_PARTITION.
   */
  async commit(request: CommitRequest, context: CallContext): Promise<readonly CommittedPartition[]> {
    await this.checkPlaces(request, context);
    const once = async (attempt: CallContext): Promise<readonly CommittedPartition[]> => {
      const isAdmin = request.memberId === null;
      const located = await (isAdmin
        ? this.locateOrCreate(request.group, attempt)
        : this.locate(request.group, attempt));
      return this.onCoordinator(located, COMMIT, request, attempt, (coordinator) => coordinator.commit(request));
    };
    // Under one assignment offsets only rise, so a member's commit may be repeated; an administrator's may lower them.
    return request.memberId === null ? once(context) : this.repeat(context, once);
  }

  /** A log whose leader cannot be asked now is not a reason to refuse what a member has done. */
  private async checkPlaces({ group, memberId, offsets }: CommitRequest, context: CallContext): Promise<void> {
    if (memberId === null) {
      for (const { topicId, partition } of offsets)
        await this.options.router.locate({ topic: "", topicId }, partition, context);
    }
    const places = offsets.map(({ topicId, partition }) => ({ topicId, partition, from: null }));
    const wait = { ...context, waitMs: END_MS };
    const ends = await this.askLeaders(HIGH_WATERMARKS, places, (place) => this.highWatermarkHere(place), wait);
    offsets.forEach(({ topicId, partition, offset }, at) => {
      const highWatermark = ends[at] ?? null;
      if (highWatermark === null || offset <= highWatermark) return;
      throw new VarveError("OFFSET_OUT_OF_RANGE", {
        message: `group ${group} cannot commit offset ${offset} of partition ${partition} of topic ${topicId}: its log ends at ${highWatermark}; nothing was committed`,
        details: { topicId, partition, offset, highWatermark, safeOffset: highWatermark },
        effect: "NOT_APPLIED",
      });
    });
  }

  /** Stored offsets; none when there is no such group. Linearizable. @throws VarveError. */
  async offsets(group: string, context: CallContext): Promise<readonly CommittedOffset[]> {
    const located = await this.find(group, context);
    if (located === null) return [];
    return this.repeat(context, async (attempt) => {
      const { offsets } = await this.onCoordinator(located, OFFSETS, { group }, attempt, async (coordinator) => ({
        offsets: await coordinator.offsets(group),
      }));
      return offsets ?? [];
    });
  }

  /** Moves a group, running or not. @throws VarveError UNKNOWN_TOPIC, UNKNOWN_PARTITION, OFFSET_OUT_OF_RANGE, UNKNOWN_GROUP. */
  async seek({ group, topic: name, partition, to }: SeekTarget, context: CallContext): Promise<SoughtGroup> {
    const { router } = this.options;
    const ref = { topic: name, topicId: "" };
    const topic =
      partition === null
        ? await router.locateTopic(ref, context)
        : (await router.locate(ref, partition, context)).topic;
    const located = await this.locate(group, context);
    const wanted = partition === null ? topic.partitions.map((each) => each.partition) : [partition];
    const offsets = await Promise.all(
      wanted.map(async (each) => ({
        topicId: topic.topicId,
        partition: each,
        offset: await this.resolve(topic, each, to, context),
      })),
    );
    const request = { group, offsets };
    const moved = await this.onCoordinator(located, SEEK, request, context, (coordinator) => coordinator.seek(request));
    return { topic, offsets: moved };
  }

  private async resolve(topic: Topic, partition: number, to: SeekPoint, context: CallContext): Promise<Offset> {
    const ref = { topic: topic.topic, topicId: topic.topicId, partition };
    const { log } = this.options;
    if (typeof to === "string" || "timeMs" in to) return (await log.listOffset(ref, to, context)).offset;
    const [first, last] = await Promise.all([
      log.listOffset(ref, "earliest", context),
      log.listOffset(ref, "latest", context),
    ]);
    if (to.offset >= first.offset && to.offset <= last.offset) return to.offset;
    const safeOffset = to.offset < first.offset ? first.offset : last.offset;
    throw new VarveError("OFFSET_OUT_OF_RANGE", {
      message:
        `${topic.topic}/${partition} holds offsets ${first.offset} to ${last.offset}, not ${to.offset}; the group was not moved; ` +
        "choose one of these, earliest or latest",
      details: { ...ref, offset: to.offset, logStart: first.offset, highWatermark: last.offset, safeOffset },
      effect: "NOT_APPLIED",
    });
  }

  /** All groups of the cluster, by name. @throws VarveError when a part of them has no coordinator. */
  async list(context: CallContext): Promise<readonly GroupView[]> {
    if ((await this.find("", context)) === null) return [];
    const shards = Array.from({ length: this.options.shards }, (_, shard) =>
      this.repeat(context, (attempt) => this.listShard(shard, attempt)),
    );
    return (await Promise.all(shards)).flat().sort((left, right) => (left.group < right.group ? -1 : 1));
  }

  private listShard(shard: number, context: CallContext): Promise<readonly GroupView[]> {
    const located = this.options.router.locateShard(shard);
    if (located === null) return Promise.resolve([]);
    return this.onCoordinator(located, LIST_SHARD, { shard }, context, (coordinator) => coordinator.list());
  }

  /** @throws VarveError UNKNOWN_GROUP. */
  async describe(group: string, context: CallContext): Promise<DescribedGroup & { readonly coordinator: BrokerId }> {
    const located = await this.locate(group, context);
    const described = await this.repeat(context, (attempt) =>
      this.onCoordinator(located, DESCRIBE, { group }, attempt, async (coordinator) => ({
        described: await coordinator.describe(group),
      })),
    );
    if (described.described === null) throw unknownGroup(group);
    const leader = this.options.router.coordinatorOf(located.state);
    const coordinator = typeof leader === "number" ? leader : this.options.router.brokerId;
    return { ...described.described, coordinator };
  }

  /** @throws VarveError UNKNOWN_GROUP, GROUP_NOT_EMPTY. */
  async deleteGroup(group: string, context: CallContext): Promise<void> {
    const located = await this.locate(group, context);
    await this.onCoordinator(located, DELETE, { group }, context, async (coordinator) => {
      await coordinator.deleteGroup(group);
      return {};
    });
  }

  /** What lies before each reader; null: its partition's leader could not be asked. */
  backlogs(places: readonly ReaderPlace[], context: CallContext): Promise<readonly (Backlog | null)[]> {
    return this.askLeaders(BACKLOGS, places, (place) => this.backlogHere(place), { ...context, waitMs: BACKLOG_MS });
  }

  private async backlogHere(place: ReaderPlace): Promise<Backlog | null> {
    return (
      this.leaderHere(place)
        ?.backlog(place.from)
        .catch(() => null) ?? null
    );
  }

  private highWatermarkHere(place: ReaderPlace): Offset | null {
    return this.leaderHere(place)?.log.pointers().highWatermark ?? null;
  }

  private leaderHere({ topicId, partition }: ReaderPlace): Partition | null {
    const leader = this.leaderOf(topicId, partition);
    return typeof leader === "number" ? null : leader;
  }

  private leaderOf(topicId: TopicId, partition: PartitionId): Partition | BrokerId | null {
    const { router } = this.options;
    const located = router.locateNow({ topic: "", topicId }, partition);
    return located === null ? null : router.leaderOf(located.state);
  }

  /** Asks the partitions' leaders, each broker once; whoever does not answer in time has no answer. */
  private async askLeaders<Answer>(
    method: ForwardableMethod<readonly ReaderPlace[], readonly (Answer | null)[]>,
    places: readonly ReaderPlace[],
    here: (place: ReaderPlace) => Answer | null | Promise<Answer | null>,
    { deadlineAtMs, signal, waitMs }: CallContext & { readonly waitMs: number },
  ): Promise<readonly (Answer | null)[]> {
    const { forwarding, clock } = this.options;
    const answers = new Map<ReaderPlace, Answer | null>();
    const remote = new Map<BrokerId, ReaderPlace[]>();
    const near: ReaderPlace[] = [];
    for (const place of places) {
      const leader = this.leaderOf(place.topicId, place.partition);
      if (typeof leader === "number") remote.set(leader, [...(remote.get(leader) ?? []), place]);
      else near.push(place);
    }
    const timeoutMs = Math.max(1, Math.min(waitMs, deadlineAtMs - clock.monotonicMs()));
    await Promise.all([
      ...near.map(async (place) => answers.set(place, await here(place))),
      ...[...remote].map(async ([broker, asked]) => {
        const found = await forwarding.call(broker, method, asked, { timeoutMs, signal }).catch(() => []);
        asked.forEach((place, at) => {
          answers.set(place, found[at] ?? null);
        });
      }),
    ]);
    return places.map((place) => answers.get(place) ?? null);
  }

  /** Runs the call on the coordinator, here or there. */
  private onCoordinator<Request, Response>(
    located: Located,
    method: ForwardableMethod<Request, Response>,
    request: Request,
    context: CallContext,
    local: (coordinator: Coordinator) => Promise<Response>,
  ): Promise<Response> {
    const { router, forwarding, clock } = this.options;
    return router.onCoordinator(located, context, {
      local,
      isRead: GROUP_READS.has(method.number),
      remote: (broker, signal) => {
        const timeoutMs = Math.max(1, context.deadlineAtMs - clock.monotonicMs());
        return forwarding.call(broker, method, request, { timeoutMs, signal });
      },
    });
  }

  /** Answers calls that other brokers forward: here, or not at all. */
  private answer<Request, Response>(
    method: ForwardableMethod<Request, Response>,
    groupOf: (request: Request) => string,
    act: (coordinator: Coordinator, request: Request, context: CallContext) => Promise<Response>,
  ): void {
    const { forwarding, router, shards } = this.options;
    forwarding.answer(method, (request, { deadlineMs, signal }) => {
      const shard = shardOf(groupOf(request), shards);
      const located = router.locateShard(shard);
      if (located === null) throw notLeader({ topic: GROUPS_TOPIC, partition: shard }, null, 0);
      const context = { deadlineAtMs: deadlineMs, signal, forwarded: true };
      return router.onCoordinator(located, context, {
        isRead: false,
        local: (coordinator) => act(coordinator, request, context),
        remote: () => Promise.reject(notLeader({ topic: GROUPS_TOPIC, partition: shard }, null, 0)),
      });
    });
  }

  /**
   * Tries again, in attempts of a bounded length, what did not fail for good. Only for calls that may take effect twice.
   * @throws VarveError the last one; COORDINATOR_LOADING when nobody coordinated.
   */
  private async repeat<T>(context: CallContext, run: (attempt: CallContext) => Promise<T>): Promise<T> {
    const { clock } = this.options;
    for (;;) {
      const nowMs = clock.monotonicMs();
      try {
        return await run({ ...context, deadlineAtMs: Math.min(context.deadlineAtMs, nowMs + ATTEMPT_MS) });
      } catch (thrown) {
        const error = toVarveError(thrown);
        const isOver = clock.monotonicMs() + RETRY_MS >= context.deadlineAtMs || context.signal.aborted;
        if (isOver || !isWorthRepeating(error)) throw error;
      }
      await delay(clock, RETRY_MS, context.signal).catch(() => {});
    }
  }

  /** The group's partition, made if need be. */
  private async locateOrCreate(group: string, context: CallContext): Promise<Located> {
    const { router, createGroupsTopic, shards } = this.options;
    const found = router.locateShard(shardOf(group, shards));
    if (found !== null) return found;
    await createGroupsTopic(context);
    const made = router.locateShard(shardOf(group, shards));
    if (made !== null) return made;
    throw new VarveError("COORDINATOR_LOADING", {
      message: `the topic that holds groups has just been made and is not known to this broker yet; nothing was changed; retry`,
      details: { group },
      retryAfterMs: 100,
    });
  }

  /** @throws VarveError UNKNOWN_GROUP: this cluster has never had a group. */
  private async locate(group: string, context: CallContext): Promise<Located> {
    const located = await this.find(group, context);
    if (located === null) throw unknownGroup(group);
    return located;
  }

  private async find(group: string, context: CallContext): Promise<Located | null> {
    const { router, shards } = this.options;
    const found = router.locateShard(shardOf(group, shards));
    if (found !== null) return found;
    await router.refresh(context);
    return router.locateShard(shardOf(group, shards));
  }
}

function isWorthRepeating(error: VarveError): boolean {
  return (
    error.code === "COMMIT_UNKNOWN" ||
    error.code === "TIMEOUT" ||
    error.code === "UNREACHABLE" ||
    error.code === "NOT_LEADER" ||
    error.code === "NOT_ENOUGH_REPLICAS" ||
    error.code === "COORDINATOR_LOADING" ||
    error.code === "SHUTTING_DOWN"
  );
}

/** What callers are told when the coordinator could not be found in time. */
export function groupError(thrown: unknown, group: string): VarveError {
  const error = toVarveError(thrown);
  return isVarveError(error) && (error.code === "NOT_ENOUGH_REPLICAS" || error.code === "NOT_LEADER")
    ? loading(group, error)
    : error;
}
