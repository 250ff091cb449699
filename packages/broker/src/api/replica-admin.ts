/**
 * replica-admin.ts: the calls of AdminService about who holds replicas: moves, drained, decommissioned and replaced brokers.
 *
 * Each is one command for the controller, answered when it is committed: the rest happens by itself, and `listMoves` shows it.
 */
import { type BrokerId, VarveError } from "@varve/base";
import { type ControllerCommand, type ControllerState, type Partition, refusalError, type Topic } from "@varve/cluster";
import type { AdminServiceHandlers, Init, PartitionMove } from "@varve/rpc";
import type { Broker } from "../broker.js";
import { type GroupStatus, newestStatuses } from "../duties/status.js";
import type { CallContext } from "../routing/router.js";
import { planCluster } from "./rebalance-plan.js";
import { checkTopicRef } from "./requests.js";

type ReplicaCalls =
  | "movePartition"
  | "listMoves"
  | "planRebalance"
  | "decommissionBroker"
  | "drainBroker"
  | "replaceBroker"
  | "finalizeFeatureLevel";
type Call = Parameters<AdminServiceHandlers["movePartition"]>[1];

export interface ReplicaAdminOptions {
  readonly broker: Broker;
  readonly context: (call: Call) => CallContext;
  /** The metadata as of at least this version. */
  readonly stateAt: (version: number, context: CallContext) => Promise<ControllerState>;
  /** Registered brokers that cannot be reached from here. */
  readonly down: () => BrokerId[];
}

const MOVES_MAX = 10_000;
const GATHER_MS = 2_000;

export function replicaAdmin(options: ReplicaAdminOptions): Pick<AdminServiceHandlers, ReplicaCalls> {
  const { broker, context, stateAt, down } = options;
  const decide = async (command: ControllerCommand, call: Call): Promise<{ metadataVersion: number }> => {
    const { result, version: metadataVersion } = await broker.access.command(command, context(call));
    if (!result.ok) throw refusalError(result);
    return { metadataVersion };
  };
  return {
    movePartition: ({ topic, topicId, partition, brokers }, call) => {
      checkTopicRef({ topic, topicId: "" });
      const id = topicId === "" ? null : topicId;
      return decide({ kind: "setReplicas", topic, topicId: id, partition, brokers }, call);
    },
    listMoves: async ({ minMetadataVersion }, call) => {
      const state = await stateAt(minMetadataVersion, context(call));
      const moving = movingPartitions(state).slice(0, MOVES_MAX);
      const statuses = newestStatuses(
        moving.length === 0
          ? []
          : await broker.statuses.gather(
              moving.map(({ partition }) => partition.groupId),
              GATHER_MS,
            ),
      );
      const moves = moving.map(({ topic, partition }) => moveOf(topic, partition, statuses.get(partition.groupId)));
      return { moves, metadataVersion: state.metadataVersion };
    },
    planRebalance: async ({ minMetadataVersion }, call) => {
      const patience = context(call);
      const state = await stateAt(minMetadataVersion, patience);
      return planCluster({ broker, state, down: down(), signal: patience.signal });
    },
    finalizeFeatureLevel: async ({ level }, call) => {
      // Said here, too: an older leader knows neither the command nor why it must not be given.
      const early = broker.state().answerBeforeLog({ kind: "finalizeLevel", level });
      if (early !== null && !early.ok) throw refusalError(early);
      const { metadataVersion } = await decide({ kind: "finalizeLevel", level }, call);
      return { level: broker.state().featureLevel, metadataVersion };
    },
    decommissionBroker: ({ broker: brokerId, cancel }, call) =>
      decide({ kind: "decommissionBroker", brokerId, avoidBrokers: down(), cancel }, call),
    drainBroker: ({ broker: brokerId, undo }, call) => decide({ kind: "drainBroker", brokerId, drained: !undo }, call),
    replaceBroker: ({ broker: brokerId }, call) => {
      if (brokerId === broker.settings.brokerId || broker.hub.isConnected(brokerId)) throw isUp(brokerId);
      return decide({ kind: "replaceBroker", brokerId }, call);
    },
  };
}

/** Those that are leaving somewhere. A partition that only gains replicas is no move of anything. */
function movingPartitions(state: ControllerState): { readonly topic: Topic; readonly partition: Partition }[] {
  return state
    .topics()
    .flatMap((topic) =>
      topic.partitions.filter(({ leaving }) => leaving.length > 0).map((partition) => ({ topic, partition })),
    );
}

function moveOf(topic: Topic, partition: Partition, status: GroupStatus | undefined): Init<PartitionMove> {
  const joining = partition.replicas.filter(({ replicaId }) => status?.voters.includes(replicaId) !== true);
  const behind = joining.map(
    ({ replicaId }) => status?.behind.find((known) => known.replicaId === replicaId)?.entries ?? -1,
  );
  return {
    topic: topic.topic,
    partition: partition.partition,
    brokers: partition.replicas.map(({ brokerId }) => brokerId),
    leaving: partition.leaving.map(({ brokerId }) => brokerId),
    joining: joining.map(({ brokerId }) => brokerId),
    entriesBehind: behind.includes(-1) ? -1 : Math.max(0, ...behind),
  };
}

function isUp(brokerId: BrokerId): VarveError {
  return new VarveError("INVALID_ARGUMENT", {
    message: `broker ${brokerId} is up, so its data is not lost; nothing was changed; stop it first, or move its replicas away with: varve broker decommission ${brokerId}`,
    details: { brokerId },
  });
}
