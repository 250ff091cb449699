/**
 * coordinator-factory.ts: what all coordinators of a broker share, put together once.
 */
import type { BrokerId, GroupId } from "@varve/base";
import type { ControllerState } from "@varve/cluster";
import type { GroupLog } from "@varve/storage";
import type { WantedReplica } from "../partition/partition-set.js";
import { topicCatalogue } from "./catalogue.js";
import { Coordinator, type CoordinatorOptions } from "./coordinator.js";

type Own = "shard" | "log" | "brokerOf" | "catalogue" | "refreshCatalogue";

export interface CoordinatorsOptions extends Omit<CoordinatorOptions, Own> {
  readonly state: () => ControllerState;
  /** Brings the state up to what the controller has committed; false when that was not possible. */
  readonly refreshState: () => Promise<boolean>;
  readonly brokerOf: (groupId: GroupId, replicaId: number) => BrokerId | null;
}

export function coordinatorFactory(
  options: CoordinatorsOptions,
): (wanted: WantedReplica, log: GroupLog) => Coordinator {
  const { state, refreshState, brokerOf, ...shared } = options;
  return ({ groupId, partition }, log) =>
    new Coordinator({
      ...shared,
      shard: partition,
      log,
      catalogue: () => topicCatalogue(state()),
      refreshCatalogue: refreshState,
      brokerOf: (replicaId) => brokerOf(groupId, replicaId),
    });
}
