/**
 * peer-desk.ts: what a broker says of itself to its peers, and who in it is told what they say.
 */
import type { BrokerId, Logger } from "@varve/base";
import { peerProtocols } from "@varve/cluster";
import type { LinkDownReason, PeerHello } from "@varve/peer";
import type { Storage } from "@varve/storage";
import type { Announcements } from "./duties/announcements.js";
import type { Duties } from "./duties/duties.js";
import type { Presence } from "./duties/presence.js";
import { PeerKind } from "./peer-kinds.js";
import type { ReplicaHost } from "./replica/host.js";
import type { LeaderTable } from "./routing/leader-table.js";
import type { ReplicaPlaces } from "./routing/replica-places.js";

export interface PeerDeskOptions {
  readonly brokerId: BrokerId;
  readonly storage: Storage;
  readonly logger: Logger;
  readonly host: ReplicaHost;
  readonly leaders: LeaderTable;
  readonly places: ReplicaPlaces;
  readonly announcements: Announcements;
  readonly presence: Presence;
  readonly duties: Duties;
  /** The feature level that this broker shakes hands by. */
  readonly featureLevel: () => number;
}

export class PeerDesk {
  private readonly options: PeerDeskOptions;

  constructor(options: PeerDeskOptions) {
    this.options = options;
  }

  hello(): PeerHello {
    const { identity } = this.options.storage;
    const protocols = peerProtocols(this.options.featureLevel());
    return {
      brokerId: this.options.brokerId,
      clusterId: identity.clusterId,
      directoryId: identity.directoryId,
      bootId: identity.bootIds[identity.bootIds.length - 1] ?? "",
      protocolMin: protocols.min,
      protocolMax: protocols.max,
    };
  }

  receive(from: BrokerId, kind: number, payload: Uint8Array): void {
    const { announcements, duties, presence } = this.options;
    if (kind === PeerKind.raft) this.receiveRaft(from, payload);
    else if (kind === PeerKind.leaders) announcements.heard(from, payload);
    else if (kind === PeerKind.slowDisk) duties.disk.heard(from);
    else if (kind === PeerKind.retired) duties.retirement.heard(from);
    else if (kind === PeerKind.stopping) presence.heardStopping(from, payload);
  }

  private receiveRaft(from: BrokerId, payload: Uint8Array): void {
    const { host, logger, places } = this.options;
    try {
      host.receive(payload, (groupId, sender) => places.noteSender(groupId, sender, from));
    } catch (error) {
      logger.warn({ err: error, from }, "a malformed Raft message was dropped");
    }
  }

  linkUp(peer: PeerHello): void {
    const { announcements, logger, presence } = this.options;
    logger.info({ peer: peer.brokerId }, "link to a broker is up");
    presence.met(peer);
    announcements.greet(peer.brokerId);
  }

  linkDown(broker: BrokerId, reason: LinkDownReason): void {
    const { host, leaders, logger } = this.options;
    logger.warn({ peer: broker, reason }, "link to a broker is down");
    if (reason === "refused") leaders.dropBroker(broker);
    host.peerDown(broker, reason);
  }
}
