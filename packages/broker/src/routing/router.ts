/**
 * router.ts: finds who can answer a call about a partition, here or elsewhere, and keeps trying while that is safe.
 *
 * One endpoint: any broker answers any call. A call that changes something is repeated only after an answer that proves that
 * nothing was written (NOT_LEADER, or the call never left this broker).
 */
import { type BrokerId, type Clock, delay, type Term, type TopicId, VarveError } from "@varve/base";
import { type ControllerState, isInternalTopic, type Partition as PartitionState, type Topic } from "@varve/cluster";
import type { Coordinator } from "../groups/coordinator.js";
import { GROUPS_TOPIC_REF } from "../groups/shards.js";
import { leaderReplaced, noLeader, shuttingDown } from "../partition/errors.js";
import type { Partition } from "../partition/partition.js";
import type { PartitionSet } from "../partition/partition-set.js";
import type { LeaderEntry, LeaderTable } from "./leader-table.js";
import { isSafeToRepeat, RETRY_FIRST_MS, RETRY_MAX_MS } from "./repeatable.js";
import { LeaderReplaced, whileItLeads } from "./while-it-leads.js";

/** A topic as a caller names it: the id wins when both are given. */
export interface TopicRef {
  readonly topic: string;
  readonly topicId: TopicId;
}

export interface Located {
  readonly topic: Topic;
  readonly state: PartitionState;
}

/** Limits of one call. `forwarded`: another broker sent it here, so it is answered here or refused. */
export interface CallContext {
  readonly deadlineAtMs: number;
  readonly signal: AbortSignal;
  readonly forwarded: boolean;
}

export interface RouterOptions {
  readonly brokerId: BrokerId;
  readonly clock: Clock;
  readonly state: () => ControllerState;
  /** Brings the local state up to what the controller has committed; false when the controller cannot be asked in time. */
  readonly refreshState: (context: CallContext) => Promise<boolean>;
  readonly partitions: PartitionSet;
  readonly leaders: LeaderTable;
  /** This broker hands over and ends: it waits for no leader any more. */
  readonly isStopping: () => boolean;
}

/** What to do with whoever leads: its own object here, or the broker that does. */
export interface LeaderCalls<Leader, T> {
  readonly local: (leader: Leader) => Promise<T>;
  /** Ends early when `signal` says so: another leads by then. */
  readonly remote: (broker: BrokerId, signal: AbortSignal) => Promise<T>;
  /** Whether a call that was ended may be made again, as it changes nothing. */
  readonly isRead: boolean;
}

/** Who leads a partition at the moment, and in which term. */
export interface LeaderNow {
  readonly located: Located;
  readonly term: Term;
  /** The leader's own object when it is here. */
  readonly at: Partition | LeaderEntry;
}

export class Router {
  private readonly options: RouterOptions;

  constructor(options: RouterOptions) {
    this.options = options;
  }

  /**
   * The partition in the controller's state. Not found here is asked of the controller's leader before it is final.
   * @throws VarveError UNKNOWN_TOPIC, UNKNOWN_TOPIC_ID, UNKNOWN_PARTITION.
   */
  async locate(ref: TopicRef, partition: number, context: CallContext): Promise<Located> {
    const here = this.find(ref, partition);
    if (here instanceof VarveError) {
      await this.options.refreshState(context);
      const again = this.find(ref, partition);
      if (again instanceof VarveError) throw again;
      return again;
    }
    return here;
  }

  /** The topic in the controller's state, with the same care. @throws VarveError UNKNOWN_TOPIC, UNKNOWN_TOPIC_ID. */
  async locateTopic(ref: TopicRef, context: CallContext): Promise<Topic> {
    const here = this.findTopic(ref);
    if (!(here instanceof VarveError)) return here;
    await this.options.refreshState(context);
    const again = this.findTopic(ref);
    if (again instanceof VarveError) throw again;
    return again;
  }

  /** The same without asking anybody: null when it must be asked. */
  locateNow(ref: TopicRef, partition: number): Located | null {
    const here = this.find(ref, partition);
    return here instanceof VarveError ? null : here;
  }

  private find(ref: TopicRef, partition: number): Located | VarveError {
    const topic = this.findTopic(ref);
    if (topic instanceof VarveError) return topic;
    const state = topic.partitions[partition];
    return state === undefined ? unknownPartition(topic, partition) : { topic, state };
  }

  /** Internal topics are not there for callers. */
  private findTopic(ref: TopicRef): Topic | VarveError {
    const state = this.options.state();
    const found = ref.topicId === "" ? state.topicByName(ref.topic) : state.topicById(ref.topicId);
    if (found !== null && !isInternalTopic(found.topic)) return found;
    return ref.topicId === "" ? unknownTopic(ref.topic) : unknownTopicId(ref.topicId);
  }

  /** A topic's name as it is known here; null: deleted, or not known yet. */
  topicName(topicId: TopicId): string | null {
    return this.options.state().topicById(topicId)?.topic ?? null;
  }

  get brokerId(): BrokerId {
    return this.options.brokerId;
  }

  /** Brings what is known here up to what the controller has committed; false when it cannot be asked in time. */
  refresh(context: CallContext): Promise<boolean> {
    return this.options.refreshState(context);
  }

  /** A partition of the topic that coordinates groups, as it is known here; null: there is none. */
  locateShard(shard: number): Located | null {
    const topic = this.options.state().topicByName(GROUPS_TOPIC_REF.topic);
    const state = topic?.partitions[shard];
    return topic === null || state === undefined ? null : { topic, state };
  }

  /** The leader's own object when this broker leads and serves, else the broker that does, else null. */
  leaderOf(state: PartitionState): Partition | BrokerId | null {
    return hostedOrBroker(this.whoLeads(state, this.options.partitions.get(state.groupId)));
  }

  /** The same for a partition that coordinates groups. */
  coordinatorOf(state: PartitionState): Coordinator | BrokerId | null {
    return hostedOrBroker(this.whoLeads(state, this.options.partitions.coordinator(state.groupId)));
  }

  /** Who leads and serves the partition, as far as is known here; null: nobody. */
  leaderNow(located: Located): LeaderNow | null {
    const { groupId } = located.state;
    const at = this.whoLeads(located.state, this.options.partitions.get(groupId));
    if (at === null) return null;
    return { located, at, term: isEntry(at) ? at.term : (at.servingEpoch() ?? 0) };
  }

  /** One call to that leader, begun before this returns. @throws VarveError of the call. */
  callLeader<T>({ located, at }: LeaderNow, context: CallContext, calls: LeaderCalls<Partition, T>): Promise<T> {
    return isEntry(at) ? this.callRemote(located, at, context, calls) : calls.local(at);
  }

  get isStopping(): boolean {
    return this.options.isStopping();
  }

  private whoLeads<Hosted extends Partition | Coordinator>(
    state: PartitionState,
    hosted: Hosted | null,
  ): Hosted | LeaderEntry | null {
    if (hosted !== null && hosted.servingEpoch() !== null) return hosted;
    const near = hosted?.leader() ?? null;
    const entry = near === null ? null : { broker: near, term: hosted?.epoch() ?? 0 };
    const known = newerOf(entry, this.options.leaders.get(state.groupId));
    return known?.broker === this.options.brokerId ? null : known;
  }

  /**
   * Runs `local` on this broker's leader, or `remote` against the broker that leads, and tries again while no leader is known, the
   * answer was NOT_LEADER, or the call could not be sent; all of these have written nothing.
   * @throws VarveError of the call; NOT_ENOUGH_REPLICAS when no leader was found in time; SHUTTING_DOWN when this broker ends meanwhile.
   */
  onLeader<T>(located: Located, context: CallContext, calls: LeaderCalls<Partition, T>): Promise<T> {
    const { groupId } = located.state;
    return this.tryLeaders(located, context, () => this.options.partitions.get(groupId), calls);
  }

  /** The same for the coordinator of groups whose partition this is. */
  onCoordinator<T>(located: Located, context: CallContext, calls: LeaderCalls<Coordinator, T>): Promise<T> {
    const { groupId } = located.state;
    return this.tryLeaders(located, context, () => this.options.partitions.coordinator(groupId), calls);
  }

  private async tryLeaders<Hosted extends Partition | Coordinator, T>(
    located: Located,
    context: CallContext,
    hosted: () => Hosted | null,
    calls: LeaderCalls<Hosted, T>,
  ): Promise<T> {
    const startedAtMs = this.options.clock.monotonicMs();
    let waitMs = RETRY_FIRST_MS;
    for (;;) {
      let failure: unknown = null;
      try {
        const leader = this.whoLeads(located.state, hosted());
        if (isEntry(leader)) {
          if (!context.forwarded) return await this.callRemote(located, leader, context, calls);
        } else if (leader !== null) {
          return await calls.local(leader);
        }
      } catch (error) {
        if (!isSafeToRepeat(error)) throw error;
        failure = error;
      }
      if (context.forwarded) throw failure ?? this.notHere(located);
      const name = { topic: located.topic.topic, partition: located.state.partition };
      if (this.options.isStopping()) throw shuttingDown(name);
      const nowMs = this.options.clock.monotonicMs();
      if (nowMs + waitMs >= context.deadlineAtMs || context.signal.aborted) {
        throw noLeader(name, nowMs - startedAtMs);
      }
      await delay(this.options.clock, waitMs, context.signal).catch(() => {});
      waitMs = Math.min(RETRY_MAX_MS, waitMs * 2);
    }
  }

  private async callRemote<Hosted, T>(
    { topic, state }: Located,
    leader: LeaderEntry,
    { signal }: CallContext,
    calls: LeaderCalls<Hosted, T>,
  ): Promise<T> {
    try {
      return await whileItLeads(this.options.leaders, state.groupId, leader, signal, (until) =>
        calls.remote(leader.broker, until),
      );
    } catch (error) {
      if (!(error instanceof LeaderReplaced)) throw error;
      throw leaderReplaced(
        { topic: topic.topic, partition: state.partition },
        leader.broker,
        error.newer,
        calls.isRead,
      );
    }
  }

  private notHere(located: Located): VarveError {
    const known = this.options.leaders.get(located.state.groupId);
    return new VarveError("NOT_LEADER", {
      message: `this broker does not lead ${located.topic.topic}/${located.state.partition}; nothing was written`,
      details: { topic: located.topic.topic, partition: located.state.partition, leader: known?.broker ?? null },
    });
  }
}

function isEntry(leader: Partition | Coordinator | LeaderEntry | null): leader is LeaderEntry {
  return leader !== null && "broker" in leader;
}

function hostedOrBroker<Hosted extends Partition | Coordinator>(
  leader: Hosted | LeaderEntry | null,
): Hosted | BrokerId | null {
  return isEntry(leader) ? leader.broker : leader;
}

function newerOf(one: LeaderEntry | null, other: LeaderEntry | null): LeaderEntry | null {
  if (one === null || other === null) return one ?? other;
  return other.term > one.term ? other : one;
}

export function unknownTopic(topic: string): VarveError {
  return new VarveError("UNKNOWN_TOPIC", {
    message: `topic ${JSON.stringify(topic)} does not exist; nothing was written; create it with: varve topic create ${topic}`,
    details: { topic },
  });
}

function unknownTopicId(topicId: TopicId): VarveError {
  return new VarveError("UNKNOWN_TOPIC_ID", {
    message: `no topic has the id ${topicId}: it was deleted, or deleted and made again; nothing was written; look the name up again`,
    details: { topicId },
  });
}

function unknownPartition(topic: Topic, partition: number): VarveError {
  const count = topic.partitions.length;
  return new VarveError("UNKNOWN_PARTITION", {
    message: `topic ${topic.topic} has partitions 0 to ${count - 1}, not ${partition}; nothing was written`,
    details: { topic: topic.topic, partition, partitions: count },
  });
}
