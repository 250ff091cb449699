/**
 * announcements.ts: brokers tell each other which groups they lead, and what their clocks say, at every change and every second.
 */
import type { BrokerId, Clock, GroupId, Term } from "@varve/base";
import type { PeerHub } from "@varve/peer";
import { PeerKind } from "../peer-kinds.js";
import type { Replica } from "../replica/replica.js";
import { decodeLeaders, encodeLeaders, type LeaderTable } from "../routing/leader-table.js";
import type { ClusterClock } from "./cluster-clock.js";

export interface AnnouncementsOptions {
  readonly brokerId: BrokerId;
  readonly clock: Clock;
  readonly hub: Pick<PeerHub, "connected" | "send">;
  readonly leaders: LeaderTable;
  readonly clusterClock: ClusterClock;
  readonly replicas: () => Iterable<Replica>;
}

interface Leadership {
  readonly groupId: GroupId;
  readonly term: Term;
}

export class Announcements {
  private readonly options: AnnouncementsOptions;

  constructor(options: AnnouncementsOptions) {
    this.options = options;
  }

  /** This broker leads a group since now. */
  leads(leadership: Leadership): void {
    this.announce([leadership]);
  }

  /** Everything that this broker leads, to all. */
  repeat(): void {
    this.announce(this.led());
  }

  /** Everything that this broker leads, to a broker that has just been connected. */
  greet(to: BrokerId): void {
    this.send(to, encodeLeaders(this.options.clock.wallMs(), this.led()));
  }

  /** What another broker says. @throws VarveError for bytes that are no announcement. */
  heard(from: BrokerId, payload: Uint8Array): void {
    const { clusterClock, leaders } = this.options;
    const { wallMs, entries } = decodeLeaders(payload);
    clusterClock.heard(from, wallMs);
    for (const { groupId, term } of entries) leaders.note(groupId, from, term);
  }

  private announce(entries: readonly Leadership[]): void {
    const { brokerId, clock, hub, leaders } = this.options;
    for (const { groupId, term } of entries) leaders.note(groupId, brokerId, term);
    const message = encodeLeaders(clock.wallMs(), entries);
    for (const peer of hub.connected()) this.send(peer.brokerId, message);
  }

  private send(to: BrokerId, message: Uint8Array): void {
    this.options.hub.send(to, "control", PeerKind.leaders, [message]);
  }

  private led(): Leadership[] {
    const led: Leadership[] = [];
    for (const replica of this.options.replicas()) {
      if (replica.isReadyLeader()) led.push({ groupId: replica.groupId, term: replica.node.term });
    }
    return led;
  }
}
