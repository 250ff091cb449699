/**
 * harness.ts: a shard with members that behave as real ones do: each heartbeats with what it was told last, gives up what its answer
 * leaves out, and says so with its next heartbeat. For this package's tests.
 */
import { assert } from "@varve/base";
import type { GroupCommand, Heartbeat, TopicMetadata } from "../commands.js";
import { GROUP_LIMITS, type GroupLimits } from "../limits.js";
import type { AssignedPartition, GroupOutcome, GroupResult, HeartbeatAnswer } from "../result.js";
import { GroupsState } from "../state.js";
import { commit, heartbeat, offsetCommit, proposed, topicIdOf } from "./commands.js";

export class Harness {
  state: GroupsState;
  index = 0;
  nowMs = 1_000;
  metadataVersion = 1;
  readonly topics = new Map<string, TopicMetadata>();
  private nextTopicId = 1;

  constructor(limits: Partial<GroupLimits> = {}) {
    this.state = GroupsState.empty({ ...GROUP_LIMITS, ...limits });
  }

  apply(command: GroupCommand): GroupOutcome {
    return this.state.apply(command, ++this.index);
  }

  /** Creates the topic anew, under an id of its own; `topicId` of the one before, if any, is gone. */
  createTopic(topic: string, partitions: number): string {
    const topicId = topicIdOf(this.nextTopicId++);
    this.topics.set(topic, { topic, topicId, partitions });
    this.metadataVersion += 1;
    return topicId;
  }

  topicId(topic: string): string {
    const known = this.topics.get(topic);
    assert(known !== undefined, `topic ${topic} was created`);
    return known.topicId;
  }

  /** Tells the group what all topics of its subscriptions are now. */
  announce(group = "billing", deletedTopicIds: readonly string[] = []): GroupOutcome {
    const topics = (this.state.describe(group)?.topics ?? []).map(({ topic }) => {
      const known = this.topics.get(topic);
      return { topic, topicId: known?.topicId ?? null, partitions: known?.partitions ?? 0 };
    });
    const { metadataVersion, nowMs } = this;
    return this.apply({ kind: "topicsChanged", group, topics, deletedTopicIds, metadataVersion, nowMs });
  }

  /** A heartbeat as a coordinator handles it: answered from the state if that will do. */
  beat(request: Heartbeat): GroupResult {
    const verdict = this.state.heartbeat(request);
    if (verdict !== "command") return verdict;
    const outcome = this.apply(proposed(request, [...this.topics.values()], this.metadataVersion, this.nowMs));
    assert(outcome.ok !== "skipped", "the harness applies each index once");
    return outcome;
  }

  member(memberId: string, topics: readonly string[], fields: Partial<Heartbeat> = {}): TestMember {
    return new TestMember(this, heartbeat(memberId, { topics, ...fields }));
  }

  /** Members heartbeat in turn until nobody has anything to say. Answers how many rounds it took. */
  settle(members: readonly TestMember[], roundsMax = 20): number {
    for (let round = 0; round < roundsMax; round++) {
      const before = this.index;
      for (const member of members) member.beat();
      if (this.index === before) return round;
    }
    throw new Error(`not settled after ${roundsMax} rounds`);
  }

  committed(topic: string, partition: number, group = "billing"): number | null {
    const [found] = this.state.offsets(group, [{ topicId: this.topicId(topic), partitions: [partition] }]);
    return found?.offset ?? null;
  }
}

export class TestMember {
  readonly harness: Harness;
  readonly memberId: string;
  request: Heartbeat;
  epoch = 0;
  /** `topicId/partition` -> what it was given. */
  readonly owned = new Map<string, AssignedPartition>();
  lastAnswer: HeartbeatAnswer | null = null;

  constructor(harness: Harness, request: Heartbeat) {
    this.harness = harness;
    this.request = request;
    this.memberId = request.memberId;
  }

  join(): this {
    this.epoch = 0;
    this.owned.clear();
    const code = this.beat();
    if (code !== "ok") throw new Error(`join of ${this.memberId}: ${code}`);
    return this;
  }

  /** One heartbeat, and the answer taken to heart. "ok" or the code of the refusal. */
  beat(): string {
    const result = this.harness.beat(this.next());
    if (!result.ok) return result.code;
    assert(result.value.kind === "heartbeat", "a heartbeat is answered by one");
    this.hear(result.value);
    return "ok";
  }

  /** The heartbeat that the member would send now. */
  next(): Heartbeat {
    return { ...this.request, memberEpoch: this.epoch, owned: this.epoch === 0 ? null : this.ownedList() };
  }

  hear(answer: HeartbeatAnswer): void {
    this.lastAnswer = answer;
    this.epoch = answer.memberEpoch;
    if (answer.assignment === null) return;
    const given = new Map<string, AssignedPartition>();
    for (const { topicId, partitions } of answer.assignment)
      for (const partition of partitions) given.set(`${topicId}/${partition.partition}`, partition);
    this.owned.clear();
    for (const [key, partition] of given) this.owned.set(key, partition);
  }

  leave(memberEpoch: -1 | -2 = -1): string {
    const result = this.harness.beat({ ...this.request, memberEpoch });
    return result.ok ? "ok" : result.code;
  }

  /** Commits `offset` to a partition that it owns, or claims an epoch for it. "ok" or the code of the refusal. */
  commit(topic: string, partition: number, offset: number, assignmentEpoch?: number | null): string {
    const topicId = this.harness.topicId(topic);
    const epoch = assignmentEpoch ?? this.owned.get(`${topicId}/${partition}`)?.epoch ?? null;
    const commits = [offsetCommit(topicId, partition, offset, epoch)];
    const outcome = this.harness.apply(commit(this.memberId, this.epoch, commits, this.request.group));
    assert(outcome.ok !== "skipped", "the harness applies each index once");
    return outcome.ok ? "ok" : outcome.code;
  }

  /** Its partitions of the topic, sorted. */
  partitions(topic: string): number[] {
    const prefix = `${this.harness.topicId(topic)}/`;
    const own = [...this.owned].filter(([key]) => key.startsWith(prefix)).map(([, { partition }]) => partition);
    return own.sort((left, right) => left - right);
  }

  ownedList(): { topicId: string; partitions: number[] }[] {
    const lists = new Map<string, number[]>();
    for (const key of this.owned.keys()) {
      const [topicId = "", partition] = key.split("/");
      lists.set(topicId, [...(lists.get(topicId) ?? []), Number(partition)]);
    }
    return [...lists].map(([topicId, partitions]) => ({ topicId, partitions }));
  }
}
