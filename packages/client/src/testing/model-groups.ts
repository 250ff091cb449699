/**
 * model-groups.ts: the obvious model of a group coordinator: members, sticky assignment, epochs, fencing, commits, live seek. One object
 * answers for every broker.
 *
 * Invariants that it asserts for its clients' tests:
 *   O1  a partition has at most one owner: it is given on only when the owner before said that it let go, or was fenced
 *   O2  a commit by a stranger, of an old epoch or for a partition that is not assigned changes nothing
 */
import { assertDefined, type Clock, delay, type TimerHandle, VarveError } from "@varve/base";
import {
  type AssignedPartition,
  type CommitOffsetsRequest,
  type GroupServiceHandlers,
  GroupState,
  OffsetPosition,
  type SeekGroupRequest,
  type ServerStream,
  type SessionRequest,
  type SessionResponse,
  StartFrom,
} from "@varve/rpc";
import type { ModelCluster } from "./model-cluster.js";

interface Member {
  readonly id: string;
  readonly staticId: string;
  readonly clientId: string;
  readonly sessionTimeoutMs: number;
  readonly startFrom: StartFrom;
  topics: readonly string[];
  /** What it said last that it owns. */
  owned: Set<string>;
  /** Epoch of its newest answer. */
  epoch: number;
  expiry: TimerHandle | null;
  stream: {
    readonly write: (answer: SessionResponse) => void;
    readonly end: (error: VarveError | null) => void;
  } | null;
}

interface GroupPartition {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  owner: string | null;
  /** Who is to have it. */
  target: string | null;
  epoch: number;
  committed: number;
}

interface ModelGroup {
  readonly name: string;
  epoch: number;
  readonly members: Map<string, Member>;
  readonly partitions: Map<string, GroupPartition>;
}

export class ModelGroups {
  readonly groups = new Map<string, ModelGroup>();
  /** Accepted and refused commits, newest last. */
  readonly commits: { readonly member: string; readonly partition: number; readonly offset: number }[] = [];
  readonly refused: VarveError[] = [];
  heartbeatIntervalMs = 1_000;
  /** Thrown by every commit as long as it is set. */
  commitError: VarveError | null = null;
  /** Nobody coordinates: sessions are refused with COORDINATOR_LOADING. */
  isAway = false;
  /** How long a commit takes, and the most that were under way at once. */
  commitMs = 0;
  mostCommitsAtOnce = 0;
  private commitsUnderWay = 0;
  private readonly model: ModelCluster;
  private readonly clock: Clock;
  private nextMember = 1;

  constructor(model: ModelCluster, clock: Clock) {
    this.model = model;
    this.clock = clock;
  }

  handlers(): GroupServiceHandlers {
    return {
      session: (stream, { signal }) => this.session(stream, signal),
      commitOffsets: async (request) => {
        this.mostCommitsAtOnce = Math.max(this.mostCommitsAtOnce, ++this.commitsUnderWay);
        if (this.commitMs > 0) await delay(this.clock, this.commitMs);
        this.commitsUnderWay--;
        this.commit(request);
        return {};
      },
      fetchOffsets: async ({ group, topicIds }) => ({
        offsets: [...(this.groups.get(group)?.partitions.values() ?? [])]
          .filter(({ committed, topicId }) => committed >= 0 && (topicIds.length === 0 || topicIds.includes(topicId)))
          .map(({ topic, topicId, partition, committed: offset }) => ({ topic, topicId, partition, offset })),
      }),
      seekGroup: async (request) => this.seek(request),
      listGroups: async () => ({
        groups: [...this.groups.values()].map((group) => ({
          group: group.name,
          state: stateOf(group),
          members: group.members.size,
        })),
      }),
      describeGroup: async ({ group: name }) => {
        const group = this.find(name);
        return {
          group: name,
          state: stateOf(group),
          epoch: group.epoch,
          coordinator: 1,
          members: [...group.members.values()].map((member) => ({
            memberId: member.id,
            staticId: member.staticId,
            clientId: member.clientId,
            memberEpoch: member.epoch,
            topics: member.topics,
            assigned: assignedOf(group, member.id),
          })),
          offsets: [...group.partitions.values()].map(({ topic, topicId, partition, committed }) => {
            const highWatermark = this.model.partition(topic, partition).nextOffset;
            const lagRecords = highWatermark - Math.max(0, committed);
            return { topic, topicId, partition, committed, highWatermark, lagRecords, lagMs: lagRecords * 10 };
          }),
        };
      },
      deleteGroup: async ({ group: name }) => {
        if (this.find(name).members.size > 0) {
          throw new VarveError("GROUP_NOT_EMPTY", { message: `group ${name} has members` });
        }
        this.groups.delete(name);
        return {};
      },
    };
  }

  /** Offset that the group has stored; -1: none. */
  committed(group: string, topic: string, partition: number): number {
    const found = [...(this.groups.get(group)?.partitions.values() ?? [])];
    return found.find((each) => each.topic === topic && each.partition === partition)?.committed ?? -1;
  }

  /** Stores an offset as an administrator does, for a group without members; the group comes into being when it is not there. */
  adminCommit(group: string, topic: string, partition: number, offset: number): void {
    const { topicId } = assertDefined(this.model.topics.get(topic), "the topic is there");
    const blank = { assignmentEpoch: 0, leaderEpoch: 0, metadata: "" };
    this.commit({ group, memberId: "", memberEpoch: 0, offsets: [{ topicId, partition, offset, ...blank }] });
  }

  /** Members of a group by id, in order of joining. */
  members(group: string): string[] {
    return [...(this.groups.get(group)?.members.keys() ?? [])];
  }

  /** Takes a member for dead. */
  fence(group: string, memberId: string): void {
    const found = this.find(group);
    this.remove(found, assertDefined(found.members.get(memberId), "the member is there"), fenced(memberId));
  }

  /** Breaks all sessions; members stay. */
  breakSessions(error: VarveError): void {
    for (const { members } of this.groups.values()) for (const member of members.values()) member.stream?.end(error);
  }

  private session(stream: ServerStream<SessionRequest, SessionResponse>, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      let member: Member | null = null;
      const end = (error: VarveError | null): void => {
        if (member !== null && member.stream === mine) member.stream = null;
        if (error === null) resolve();
        else reject(error);
      };
      const mine = {
        write: (answer: SessionResponse) => void stream.write(answer).catch(() => {}),
        end,
      };
      signal.addEventListener("abort", () => end(null));
      const listen = async (): Promise<void> => {
        for await (const request of stream.requests) {
          member = this.heard(request, mine);
          if (member === null) return;
        }
      };
      listen().then(
        () => end(null),
        (error: unknown) => end(error instanceof VarveError ? error : null),
      );
    });
  }

  /** Null: it left. */
  private heard(request: SessionRequest, stream: NonNullable<Member["stream"]>): Member | null {
    if (this.isAway) throw new VarveError("COORDINATOR_LOADING", { message: "loading" });
    const group = this.groupFor(request.group);
    const isNew = request.memberEpoch === 0 && !group.members.has(request.memberId);
    const member = isNew ? this.join(group, request) : this.known(group, request);
    if (request.memberEpoch === -1) {
      this.remove(group, member, null);
      return null;
    }
    if (request.memberEpoch === -2) {
      member.owned = new Set();
      member.stream = null;
      return null;
    }
    if (member.stream !== stream) {
      member.stream?.end(new VarveError("UNREACHABLE", { message: "another session of the member" }));
      member.stream = stream;
    }
    member.owned = new Set(
      request.owned.flatMap(({ topicId, partitions }) => partitions.map((each) => `${topicId}/${each}`)),
    );
    this.expireLater(group, member);
    this.reconcile(group, member);
    this.answer(group, member, request.sequence);
    return member;
  }

  private join(group: ModelGroup, request: SessionRequest): Member {
    const { staticId, clientId, sessionTimeoutMs, topics, startFrom } = request;
    const before = staticId === "" ? undefined : [...group.members.values()].find((each) => each.staticId === staticId);
    const id = request.memberId === "" ? `member-${this.nextMember++}` : request.memberId;
    const member: Member = {
      id,
      staticId,
      clientId,
      sessionTimeoutMs: sessionTimeoutMs || 30_000,
      startFrom,
      topics,
      owned: new Set(),
      epoch: 0,
      expiry: null,
      stream: null,
    };
    if (before !== undefined) this.replace(group, before, member);
    else {
      group.members.set(id, member);
      this.assign(group);
    }
    return member;
  }

  /** A static member came back: it gets what it had. */
  private replace(group: ModelGroup, before: Member, member: Member): void {
    before.expiry?.cancel();
    group.members.delete(before.id);
    group.members.set(member.id, member);
    for (const each of group.partitions.values()) {
      if (each.owner === before.id) {
        each.owner = member.id;
        each.epoch++;
      }
      if (each.target === before.id) each.target = member.id;
    }
    before.stream?.end(
      new VarveError("FENCED_INSTANCE", { message: `another member has the static id ${member.staticId}` }),
    );
  }

  private known(group: ModelGroup, { memberId, memberEpoch }: SessionRequest): Member {
    const member = group.members.get(memberId);
    if (member === undefined) throw fenced(memberId);
    if (memberEpoch > member.epoch) throw new VarveError("INVALID_ARGUMENT", { message: "an epoch from the future" });
    return member;
  }

  private remove(group: ModelGroup, member: Member, error: VarveError | null): void {
    member.expiry?.cancel();
    group.members.delete(member.id);
    for (const each of group.partitions.values()) if (each.owner === member.id) each.owner = null;
    member.stream?.end(error);
    this.assign(group);
  }

  private expireLater(group: ModelGroup, member: Member): void {
    member.expiry?.cancel();
    member.expiry = this.clock.setTimer(member.sessionTimeoutMs, () => this.remove(group, member, fenced(member.id)));
  }

  /** New targets: who has a partition keeps it as long as that is fair. */
  private assign(group: ModelGroup): void {
    group.epoch++;
    this.learnTopics(group);
    const members = [...group.members.values()];
    for (const topic of new Set([...group.partitions.values()].map((each) => each.topic))) {
      const wanting = members.filter((member) => member.topics.includes(topic));
      const list = [...group.partitions.values()].filter((each) => each.topic === topic);
      const fairMax = wanting.length === 0 ? 0 : Math.ceil(list.length / wanting.length);
      const load = new Map(wanting.map(({ id }) => [id, 0]));
      const open: GroupPartition[] = [];
      for (const each of list) {
        const count = each.target === null ? undefined : load.get(each.target);
        if (each.target !== null && count !== undefined && count < fairMax) load.set(each.target, count + 1);
        else open.push(each);
      }
      for (const each of open) {
        const least = [...load].sort(([, left], [, right]) => left - right)[0];
        each.target = least?.[0] ?? null;
        if (least !== undefined) load.set(least[0], least[1] + 1);
      }
    }
    this.reconcile(group, null);
  }

  private learnTopics(group: ModelGroup): void {
    for (const member of group.members.values()) {
      for (const name of member.topics) {
        const topic = this.model.topics.get(name);
        topic?.partitions.forEach((_, partition) => {
          this.openPartition(group, topic.topicId, partition);
        });
      }
    }
  }

  /** Gives partitions on whose owner let go (O1), and tells members of what changed; not `asking`, which is answered anyway. */
  private reconcile(group: ModelGroup, asking: Member | null): void {
    const before = group.partitions.size;
    this.learnTopics(group);
    if (group.partitions.size > before) {
      this.assign(group);
      return;
    }
    const touched = new Set<string>();
    for (const [key, each] of group.partitions) {
      if (each.owner === each.target) continue;
      const owner = each.owner === null ? undefined : group.members.get(each.owner);
      if (owner !== undefined) touched.add(owner.id);
      if (owner?.owned.has(key) === true && owner.epoch > 0) continue;
      each.owner = each.target;
      each.epoch++;
      if (each.target !== null) touched.add(each.target);
    }
    for (const id of touched) {
      const member = group.members.get(id);
      if (member !== undefined && member !== asking) this.answer(group, member, 0);
    }
  }

  private answer(group: ModelGroup, member: Member, sequence: number): void {
    if (member.stream === null) return;
    member.epoch = group.epoch;
    member.stream.write({
      memberId: member.id,
      memberEpoch: member.epoch,
      assigned: assignedOf(group, member.id),
      missingTopics: member.topics.filter((topic) => !this.model.topics.has(topic)),
      heartbeatIntervalMs: this.heartbeatIntervalMs,
      sequence,
    });
  }

  private commit({ group: name, memberId, memberEpoch, offsets }: CommitOffsetsRequest): void {
    try {
      if (this.commitError !== null) throw this.commitError;
      const group = memberId === "" ? this.groupFor(name) : this.find(name);
      const member = group.members.get(memberId);
      if (memberId === "" && group.members.size > 0)
        throw new VarveError("GROUP_NOT_EMPTY", { message: "it has members" });
      if (memberId !== "" && member === undefined)
        throw new VarveError("UNKNOWN_MEMBER", { message: `no member ${memberId}` });
      if (member !== undefined && memberEpoch !== member.epoch) throw fenced(memberId);
      const found = offsets.map(({ topicId, partition, assignmentEpoch }) => {
        const known = group.partitions.get(`${topicId}/${partition}`);
        const each = known ?? (member === undefined ? this.openPartition(group, topicId, partition) : undefined);
        if (each === undefined) throw new VarveError("UNKNOWN_PARTITION", { message: "no such partition" });
        if (member !== undefined && (each.owner !== memberId || each.epoch !== assignmentEpoch)) {
          throw new VarveError("STALE_ASSIGNMENT", { message: `${each.topic}/${partition} is assigned anew` });
        }
        return each;
      });
      found.forEach((each, at) => {
        each.committed = offsets[at]?.offset ?? -1;
        this.commits.push({ member: memberId, partition: each.partition, offset: each.committed });
      });
    } catch (error) {
      if (error instanceof VarveError) this.refused.push(error); // O2
      throw error;
    }
  }

  private seek(request: SeekGroupRequest): Awaited<ReturnType<GroupServiceHandlers["seekGroup"]>> {
    const group = this.find(request.group);
    const topic = this.model.topics.get(request.topic);
    if (topic === undefined) throw new VarveError("UNKNOWN_TOPIC", { message: `no topic ${request.topic}` });
    const partitions = request.partition === null ? topic.partitions.map((_, at) => at) : [request.partition];
    const offsets = partitions.map((partition) => {
      const log = this.model.partition(request.topic, partition);
      const offset =
        request.at === OffsetPosition.EARLIEST
          ? log.logStart
          : request.at === OffsetPosition.UNSPECIFIED
            ? request.offset
            : log.nextOffset;
      if (offset < log.logStart || offset > log.nextOffset) {
        throw new VarveError("OFFSET_OUT_OF_RANGE", {
          message: `offset ${offset} of ${log.name}`,
          effect: "NOT_APPLIED",
        });
      }
      return { partition, offset };
    });
    const { topicId } = topic;
    for (const { partition, offset } of offsets) {
      const each = assertDefined(this.openPartition(group, topicId, partition), "the topic has the partition");
      each.committed = offset;
      each.epoch++;
    }
    for (const member of group.members.values()) this.answer(group, member, 0);
    return { topicId, offsets: offsets.map((each) => ({ ...each, topicId, topic: request.topic })) };
  }

  /** The group's entry of a partition, made when it is not there; undefined: no topic has such a partition. */
  private openPartition(group: ModelGroup, topicId: string, partition: number): GroupPartition | undefined {
    const key = `${topicId}/${partition}`;
    const known = group.partitions.get(key);
    const topic = [...this.model.topics.values()].find((each) => each.topicId === topicId);
    if (known !== undefined || topic?.partitions[partition] === undefined) return known;
    const blank = { topic: topic.topic, topicId, partition, owner: null, target: null, epoch: 0, committed: -1 };
    group.partitions.set(key, blank);
    return blank;
  }

  private groupFor(name: string): ModelGroup {
    let group = this.groups.get(name);
    if (group === undefined) {
      group = { name, epoch: 0, members: new Map(), partitions: new Map() };
      this.groups.set(name, group);
    }
    return group;
  }

  private find(name: string): ModelGroup {
    const group = this.groups.get(name);
    if (group === undefined) throw new VarveError("UNKNOWN_GROUP", { message: `no group ${name}` });
    return group;
  }
}

/** What a member may work on: what is its, and is to stay so. */
function assignedOf(group: ModelGroup, memberId: string): AssignedPartition[] {
  const startFrom = group.members.get(memberId)?.startFrom ?? StartFrom.EARLIEST;
  return [...group.partitions.values()]
    .filter(({ owner, target }) => owner === memberId && target === memberId)
    .map(({ topicId, topic, partition, epoch, committed }) => ({
      topicId,
      topic,
      partition,
      assignmentEpoch: epoch,
      startOffset: committed,
      startFrom,
    }));
}

function stateOf(group: ModelGroup): GroupState {
  if (group.members.size === 0) return GroupState.EMPTY;
  const isSettled = [...group.partitions.values()].every(({ owner, target }) => owner === target);
  return isSettled ? GroupState.STABLE : GroupState.RECONCILING;
}

function fenced(memberId: string): VarveError {
  return new VarveError("FENCED_MEMBER", { message: `member ${memberId} is not in the group any more` });
}
