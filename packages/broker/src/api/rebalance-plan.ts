/**
 * rebalance-plan.ts: a plan for an even load, from what the controller wants and what the partitions' leaders say of their size. Decides nothing
 * itself (`rebalance.ts` of the cluster package does), and pauses, so that a large plan holds up nobody.
 */
import { assertDefined, type BrokerId, delay } from "@varve/base";
import {
  type ControllerState,
  INTERNAL_MOVES_LEVEL,
  isInternalTopic,
  type RebalanceMove,
  type RebalancePartition,
  type RebalancePlan,
  type RebalanceRequest,
  rebalanceSteps,
} from "@varve/cluster";
import type { BrokerBalance, Init, PlannedMove, PlanRebalanceResponse } from "@varve/rpc";
import type { Broker } from "../broker.js";
import { newestStatuses } from "../duties/status.js";

/** How long other brokers may take to say what they lead. */
const GATHER_MS = 2_000;
const MOVES_MAX = 1_000;
/** Steps between two pauses: some milliseconds at most. */
const STEPS_AT_ONCE = 8;

export interface PlanOptions {
  readonly broker: Broker;
  readonly state: ControllerState;
  /** They get nothing, and give nothing. */
  readonly down: readonly BrokerId[];
  readonly signal: AbortSignal;
}

export async function planCluster(options: PlanOptions): Promise<Init<PlanRebalanceResponse>> {
  const { broker, state, signal } = options;
  const request = await requestFor(options);
  const steps = rebalanceSteps(request);
  for (let taken = 1; ; taken++) {
    const { done, value } = steps.next();
    if (done) return answerOf(state, request, value);
    if (taken % STEPS_AT_ONCE === 0) await delay(broker.ports.clock, 0, signal);
  }
}

/** A partition without a leader, or of a leader that does not say its size, stays where it is: nobody could tell what moves. */
async function requestFor({ broker, state, down }: PlanOptions): Promise<RebalanceRequest> {
  const statuses = newestStatuses(await broker.statuses.gather([], GATHER_MS));
  const partitions = state.topics().flatMap(({ topic, topicId, partitions: all }) =>
    all.map(({ groupId, replicas }): RebalancePartition => {
      const bytes = statuses.get(groupId)?.bytes ?? null;
      const isStuck = isInternalTopic(topic) && state.featureLevel < INTERNAL_MOVES_LEVEL;
      const brokers = replicas.map(({ brokerId }) => brokerId);
      return { groupId, topicId, brokers, bytes: bytes ?? 0, isFixed: bytes === null || isStuck };
    }),
  );
  return {
    brokers: state.brokers().filter(({ leaving }) => !leaving),
    avoidBrokers: new Set(down),
    partitions,
    movesMax: MOVES_MAX,
  };
}

function answerOf(
  state: ControllerState,
  { brokers, partitions }: RebalanceRequest,
  { moves, isComplete }: RebalancePlan,
): Init<PlanRebalanceResponse> {
  const to = new Map(moves.map((move) => [move.groupId, move.to]));
  const balance = (brokerId: BrokerId): Init<BrokerBalance> => {
    const sum = (of: (partition: RebalancePartition, held: readonly BrokerId[]) => number): [number, number] => [
      partitions.reduce((all, partition) => all + of(partition, partition.brokers), 0),
      partitions.reduce((all, partition) => all + of(partition, to.get(partition.groupId) ?? partition.brokers), 0),
    ];
    const [replicas, replicasAfter] = sum((_, held) => Number(held.includes(brokerId)));
    const [leaders, leadersAfter] = sum((_, held) => Number(held[0] === brokerId));
    const [bytes, bytesAfter] = sum((partition, held) => (held.includes(brokerId) ? partition.bytes : 0));
    return { id: brokerId, replicas, replicasAfter, leaders, leadersAfter, bytes, bytesAfter };
  };
  return {
    moves: moves.map((move) => plannedMove(state, move)),
    complete: isComplete,
    brokers: brokers.map(({ brokerId }) => balance(brokerId)),
    metadataVersion: state.metadataVersion,
  };
}

function plannedMove(state: ControllerState, { groupId, from, to, bytes }: RebalanceMove): Init<PlannedMove> {
  const { topic, partition } = assertDefined(state.partitionOf(groupId), "a partition of a plan is there");
  return {
    topic: topic.topic,
    topicId: topic.topicId,
    partition: partition.partition,
    from: [...from],
    to: [...to],
    bytes,
  };
}
