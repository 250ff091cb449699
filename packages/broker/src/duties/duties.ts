/**
 * duties.ts: what a broker does without being asked, put together once: who leads, who holds replicas, what is damaged, slow or out.
 */
import type { BrokerId, ClusterId, GroupId, ReplicaId } from "@varve/base";
import type { ControllerCommand, ControllerState } from "@varve/cluster";
import type { PeerHub } from "@varve/peer";
import type { Storage } from "@varve/storage";
import type { BrokerPorts, BrokerSettings } from "../broker-settings.js";
import type { Controller } from "../controller/controller.js";
import type { FoundingVoter } from "../membership/founding-note.js";
import { PeerKind } from "../peer-kinds.js";
import type { ReplicaHost } from "../replica/host.js";
import { ControllerDuties } from "./controller-duties.js";
import { DiskDuty } from "./disk-duty.js";
import { Leadership } from "./leadership.js";
import { Renewals } from "./renewals.js";
import { ReplicaChanges } from "./replica-changes.js";
import { Retirement } from "./retirement.js";
import { Scrub } from "./scrub.js";

export interface DutiesOptions {
  readonly settings: BrokerSettings;
  readonly ports: BrokerPorts;
  readonly storage: Storage;
  readonly hub: PeerHub;
  readonly host: ReplicaHost;
  readonly controller: () => Controller | null;
  /** @throws VarveError while this broker belongs to no cluster. */
  readonly state: () => ControllerState;
  readonly foundingVoters: () => readonly FoundingVoter[];
  readonly clusterId: () => ClusterId | null;
  readonly brokerOf: (groupId: GroupId, replicaId: ReplicaId) => BrokerId | null;
  /** It said that it stops now. */
  readonly isLeaving: (broker: BrokerId) => boolean;
  /** The replica that should lead a group when all are well; null = no matter. */
  readonly preferred: (groupId: GroupId) => ReplicaId | null;
  /** A command of this broker's own. @throws VarveError. */
  readonly execute: (command: ControllerCommand) => Promise<void>;
}

export class Duties {
  readonly leadership: Leadership;
  readonly disk: DiskDuty;
  readonly scrub: Scrub;
  readonly renewals: Renewals;
  readonly retirement: Retirement;
  readonly replicaChanges: ReplicaChanges;
  readonly controller: ControllerDuties;

  constructor(options: DutiesOptions) {
    const { settings, ports, storage, hub, host, state, execute } = options;
    const { clock, logger } = ports;
    const replicas = (): ReturnType<ReplicaHost["all"]> => host.all();
    this.leadership = new Leadership({
      clock,
      replicas,
      brokerOf: options.brokerOf,
      isConnected: (broker) => hub.isConnected(broker),
      isSlow: (broker) => this.disk.isSlow(broker),
      isLeaving: options.isLeaving,
      preferred: options.preferred,
    });
    this.disk = new DiskDuty({
      clock,
      logger,
      pendingWrite: () => storage.pendingWrite(),
      slowMs: settings.slowDiskMs,
      hungMs: settings.hungDiskMs,
      onHung: ports.onFatal,
      leave: () => this.leadership.leave(),
      tell: () => {
        for (const { brokerId } of hub.connected()) hub.send(brokerId, "control", PeerKind.slowDisk, []);
      },
    });
    this.scrub = new Scrub({
      clock,
      logger,
      logs: () => storage.groups(),
      wal: storage,
      bytesPerSecond: settings.scrubBytesPerSecond,
      intervalMs: settings.scrubIntervalMs,
    });
    this.renewals = new Renewals({ clock, logger, state, execute });
    this.retirement = new Retirement({
      brokerId: settings.brokerId,
      logger,
      hub,
      state: () => options.controller()?.state ?? null,
    });
    this.replicaChanges = new ReplicaChanges({
      clock,
      logger,
      state,
      replicas,
      leadership: this.leadership,
      left: (groupId, replicaIds) => execute({ kind: "replicasLeft", groupId, replicaIds }),
    });
    this.controller = new ControllerDuties({
      clock,
      logger,
      controller: options.controller,
      foundingVoters: options.foundingVoters,
      clusterId: options.clusterId,
      leadership: this.leadership,
      voterDeadMs: settings.voterDeadMs,
    });
  }

  /** Called once a second; `isServing`: registered, and not about to stop. */
  everySecond(isServing: boolean): void {
    this.retirement.tellOthers();
    if (isServing) {
      this.disk.step();
      if (this.retirement.isBegun) this.leadership.leave((broker) => this.retirement.mayLead(broker));
      else if (!this.disk.isSlowHere()) this.leadership.balance();
    }
    this.controller.step();
    this.renewals.step();
  }
}
