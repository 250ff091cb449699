/**
 * metadata.ts: this broker's replica of the controller, and what follows here from each change of its state: links, replicas, the protocol.
 *
 * Invariant E1: before the broker is registered no replica is made that is not on its disk already.
 */
import { CONTROLLER_GROUP, type GroupId, type ReplicaId, VarveError } from "@varve/base";
import { type ControllerState, FIRST_LEVEL, levelProblem, SUPPORTED_LEVELS } from "@varve/cluster";
import type { PeerHub } from "@varve/peer";
import type { Storage } from "@varve/storage";
import type { BrokerPorts } from "../broker-settings.js";
import type { Announcements } from "../duties/announcements.js";
import type { Duties } from "../duties/duties.js";
import type { PeerAddresses } from "../duties/peer-addresses.js";
import { openControllerLog } from "../membership/controller-log.js";
import type { Member, Membership } from "../membership/membership.js";
import type { PartitionSet } from "../partition/partition-set.js";
import { wantedReplica } from "../partition/wanted-replica.js";
import type { ReplicaHost } from "../replica/host.js";
import { Controller } from "./controller.js";

export interface MetadataOptions {
  readonly ports: Pick<BrokerPorts, "clock" | "logger">;
  readonly storage: Storage;
  readonly hub: PeerHub;
  readonly host: ReplicaHost;
  readonly partitions: PartitionSet;
  readonly membership: () => Membership;
  readonly addresses: PeerAddresses;
  readonly announcements: Announcements;
  readonly duties: () => Duties;
}

export class Metadata {
  private readonly options: MetadataOptions;
  private controllerHere: Controller | null = null;
  private registered = false;
  private wanted = 0;
  private level: number = FIRST_LEVEL;
  private preferredReplicas = new Map<GroupId, ReplicaId>();

  constructor(options: MetadataOptions) {
    this.options = options;
  }

  /** Null until this broker belongs to a cluster. */
  get controller(): Controller | null {
    return this.controllerHere;
  }

  /** What is known of the cluster here. @throws VarveError NOT_ENOUGH_REPLICAS: this broker belongs to none yet. */
  state(): ControllerState {
    if (this.controllerHere !== null) return this.controllerHere.state;
    throw new VarveError("NOT_ENOUGH_REPLICAS", {
      message: "this broker does not belong to a cluster yet; nothing was done; retry, or look at its /readyz",
      retryAfterMs: 500,
    });
  }

  get isRegistered(): boolean {
    return this.registered;
  }

  /** Replicas that the controller wants here. */
  get wantedCount(): number {
    return this.wanted;
  }

  /** The feature level that this broker shakes hands by. */
  get featureLevel(): number {
    return this.level;
  }

  /** The replica that should lead a group when all are well; null = no matter. */
  preferred(groupId: GroupId): ReplicaId | null {
    return this.preferredReplicas.get(groupId) ?? null;
  }

  /** Opens the controller's log and runs its replica. Resolves with the member that this broker is by then. */
  async run(member: Member, signal: AbortSignal): Promise<Member> {
    const { storage, host, announcements } = this.options;
    const { clock, logger } = this.options.ports;
    const membership = this.options.membership();
    const opened = await openControllerLog({ storage, membership, logger }, member, signal);
    const { log, isNew } = opened;
    const controller = new Controller(log, clock, {
      changed: (state) => this.changed(state),
      roleChanged: (role) => {
        if (role.kind !== "leader" || !role.ready) return;
        announcements.leads({ groupId: CONTROLLER_GROUP, term: role.term });
        clock.defer(() => this.options.duties().controller.step());
      },
    });
    const problem = levelProblem(controller.state.featureLevel, SUPPORTED_LEVELS);
    if (problem !== null) throw new VarveError("DATA_DIR_UNUSABLE", { message: `${problem}; nothing was changed` });
    this.controllerHere = controller;
    const replica = host.add(log, controller);
    controller.attach(replica);
    if (isNew && member.voters[0]?.replicaId === opened.member.replicaId) host.standAtCreation(replica);
    this.changed(controller.state);
    return opened.member;
  }

  /** This broker is registered and knows all that was decided when it was. */
  registeredNow(): void {
    this.registered = true;
    this.changed(this.state());
  }

  private changed(state: ControllerState): void {
    const { addresses, hub, partitions, storage } = this.options;
    addresses.follow(state);
    if (state.featureLevel !== this.level) {
      this.level = state.featureLevel;
      hub.announce();
    }
    this.preferredReplicas = state.preferredReplicas();
    const wanted = state.replicasOf(storage.identity.directoryId);
    this.wanted = wanted.length;
    const hasLeft = (groupId: GroupId, replicaId: ReplicaId): boolean => state.hasLeft(groupId, replicaId);
    // A controller's log that was lost is learned anew from its beginning, and tells on its way of replicas that have left long since. One that
    // were made then would be empty under the id of one that had promised something. So nothing is made until all is known that was decided (E1).
    const certain = this.registered ? wanted : wanted.filter(({ groupId }) => storage.group(groupId) !== null);
    partitions.reconcile(certain.map(wantedReplica), hasLeft).catch(() => {});
    for (const coordinator of partitions.allCoordinators()) coordinator.topicsChanged();
  }
}
