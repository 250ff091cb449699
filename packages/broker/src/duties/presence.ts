/**
 * presence.ts: this broker's coming and going, put together once: how its replicas are, whether they have caught up since the start, whether it may
 * stop, and what others said of their own stops.
 */
import { type BrokerId, CONTROLLER_GROUP, type GroupId, type ReplicaId } from "@varve/base";
import type { PeerHello, PeerHub } from "@varve/peer";
import type { BrokerPorts, BrokerSettings } from "../broker-settings.js";
import type { BrokerFacts } from "../ops/index.js";
import type { PartitionSet } from "../partition/partition-set.js";
import { PeerKind } from "../peer-kinds.js";
import type { ReplicaHost } from "../replica/host.js";
import type { LeaderTable } from "../routing/leader-table.js";
import { CatchUpDuty } from "./catch-up-duty.js";
import { hostedReplicas, type ReplicaHealth, replicaHealth } from "./replica-health.js";
import type { StatusExchange } from "./status-exchange.js";
import { StopGate, type StopGateReport } from "./stop-gate.js";
import { decodeStopping, encodeStopping, StopNotices } from "./stop-notices.js";
import type { GroupAtStop, Stopping } from "./stop-risk.js";

export interface PresenceOptions {
  readonly settings: Pick<BrokerSettings, "brokerId" | "stopGateMs">;
  readonly ports: Pick<BrokerPorts, "clock" | "logger">;
  readonly hub: Pick<PeerHub, "connected" | "isConnected" | "send">;
  readonly host: ReplicaHost;
  readonly partitions: PartitionSet;
  readonly leaders: LeaderTable;
  readonly statuses: Pick<StatusExchange, "gather">;
  readonly brokerOf: (groupId: GroupId, replicaId: ReplicaId) => BrokerId | null;
  /** Replicas that the controller wants here. */
  readonly wanted: () => number;
  /** The broker has stopped. */
  readonly stopped: AbortSignal;
}

export class Presence {
  readonly stopGate: StopGate;
  private readonly options: PresenceOptions;
  private readonly catchUp: CatchUpDuty;
  private readonly notices: StopNotices;

  constructor(options: PresenceOptions) {
    const { settings, hub, statuses } = options;
    const { clock, logger } = options.ports;
    const gather: StatusExchange["gather"] = (groupIds, timeoutMs) => statuses.gather(groupIds, timeoutMs);
    this.options = options;
    this.notices = new StopNotices(clock);
    this.catchUp = new CatchUpDuty({
      clock,
      replicas: () => options.host.all(),
      missing: () => {
        const { replicasMissing, replicasQuarantined } = this.health();
        return replicasMissing + replicasQuarantined.length;
      },
      gather,
    });
    this.stopGate = new StopGate({
      self: settings.brokerId,
      clock,
      logger,
      limitMs: settings.stopGateMs,
      groups: () => this.groupsAtStop(),
      gather,
      others: {
        brokerOf: options.brokerOf,
        isUp: (broker) => hub.isConnected(broker),
        stopping: (broker) => this.stopping(broker),
      },
      tell: (state) => {
        for (const { brokerId } of hub.connected())
          hub.send(brokerId, "control", PeerKind.stopping, [encodeStopping(state)]);
      },
    });
  }

  /** What readiness is told of the replicas here. */
  facts(): ReplicaHealth & Pick<BrokerFacts, "caughtUp" | "replicasBehind"> {
    return { ...this.health(), caughtUp: this.catchUp.isOver, replicasBehind: this.catchUp.behind };
  }

  /** Looks, from now on, whether the replicas here have caught up; until then, or until the broker has stopped. */
  watchCatchUp(): void {
    void this.catchUp.run(this.options.stopped);
  }

  /** Resolves when no partition would lose its quorum by the stop of this broker, or its time to wait is over. Never rejects. */
  mayStop(): Promise<StopGateReport> {
    return this.stopGate.wait(this.options.stopped);
  }

  /** Another broker says that it is about to stop. */
  heardStopping(from: BrokerId, payload: Uint8Array): void {
    const sender = this.options.hub.connected().find(({ brokerId }) => brokerId === from);
    this.notices.heard(from, decodeStopping(payload), sender?.bootId ?? "");
  }

  /** Another broker has said that it stops now. */
  isLeaving(broker: BrokerId): boolean {
    return this.stopping(broker) === "leaving";
  }

  /** A link to a broker is up. */
  met({ brokerId, bootId }: PeerHello): void {
    this.notices.met(brokerId, bootId);
  }

  private stopping(broker: BrokerId): Stopping | null {
    return this.notices.stopping(broker, this.options.hub.isConnected(broker));
  }

  private health(): ReplicaHealth {
    const { partitions, wanted, leaders } = this.options;
    return replicaHealth(partitions, wanted(), (groupId) => leaders.get(groupId)?.broker ?? null);
  }

  private groupsAtStop(): Omit<GroupAtStop, "following">[] {
    const names = new Map<GroupId, string>([[CONTROLLER_GROUP, "the controller"]]);
    for (const { name, log } of hostedReplicas(this.options.partitions)) names.set(log.spec.groupId, name);
    return Array.from(this.options.host.all(), ({ groupId, id, log }) => ({
      groupId,
      name: names.get(groupId) ?? `group ${groupId}`,
      own: id,
      voters: log.replicas.voters,
      votersOutgoing: log.replicas.votersOutgoing,
    }));
  }
}
