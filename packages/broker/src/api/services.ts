/**
 * services.ts: the public API of one broker put together: what listeners serve, whatever carries it.
 */
import type { ErrorCode, Random, VarveError } from "@varve/base";
import type { AdminServiceHandlers, GroupServiceHandlers, LogServiceHandlers, ScalerServiceHandlers } from "@varve/rpc";
import type { Broker } from "../broker.js";
import type { BrokerConfig } from "../config/index.js";
import { groupsTopicCreator } from "../groups/groups-topic.js";
import { GROUP_SHARDS } from "../groups/shards.js";
import { externalScaler } from "../scaler/external-scaler.js";
import { adminService } from "./admin-service.js";
import { decommissioned, gated } from "./gate.js";
import { GroupApi } from "./group-api.js";
import { groupService } from "./group-service.js";
import { LogApi } from "./log-api.js";
import { logService } from "./log-service.js";
import { Traffic } from "./traffic.js";

export interface BrokerServices {
  readonly log: LogServiceHandlers;
  readonly group: GroupServiceHandlers;
  readonly admin: AdminServiceHandlers;
  /** What KEDA asks. */
  readonly scaler: ScalerServiceHandlers;
  /** For descriptions of groups that no client asked for. */
  readonly groups: GroupApi;
  readonly traffic: Traffic;
}

export interface ServicesOptions {
  readonly config: Pick<BrokerConfig, "limits" | "topicDefaults" | "cluster">;
  readonly random: Random;
  /** Partitions of the internal topic that holds groups: the same at all brokers, for ever. Default 16; fewer only in simulations. */
  readonly groupShards?: number;
  /** Counts failures; for metrics. */
  readonly failed: (kind: "produce" | "fetch", code: ErrorCode) => void;
}

export function brokerServices(broker: Broker, options: ServicesOptions): BrokerServices {
  const { config, random, failed, groupShards: shards = GROUP_SHARDS } = options;
  const { access, forwarding, router } = broker;
  const { clock, codec } = broker.ports;
  const { limits } = config;
  const traffic = new Traffic(broker.inFlight, limits);
  const api = new LogApi({ clock, router, forwarding, access, traffic });
  const seedCount = config.cluster.seeds.length;
  const state = (): ReturnType<Broker["state"]> => broker.state();
  const createGroupsTopic = groupsTopicCreator({ access, state, seedCount, shards, clock, random });
  const groups = new GroupApi({ clock, router, forwarding, log: api, shards, createGroupsTopic });
  const nowMs = (): number => broker.clusterClock.nowMs();
  const { requestDeadlineMs } = limits;
  const refusal = (): VarveError | null => (broker.isDecommissioned ? decommissioned(broker.settings.brokerId) : null);
  return {
    log: gated(logService({ api, router, clock, codec, limits, traffic, failed }), refusal),
    group: gated(groupService({ api: groups, router, clock, random, nowMs, requestDeadlineMs }), refusal),
    admin: gated(adminService({ broker, random, topicPolicy: config }), refusal),
    scaler: gated(externalScaler({ api: groups, router, clock, nowMs, requestDeadlineMs }), refusal),
    groups,
    traffic,
  };
}
