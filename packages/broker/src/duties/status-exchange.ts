/**
 * status-exchange.ts: what brokers ask each other about the groups they lead, and the one thing they ask for: to hand a leadership over.
 */
import type { BrokerId, GroupId, ReplicaId } from "@varve/base";
import type { PeerHub } from "@varve/peer";
import { notController } from "../controller/controller.js";
import type { Readiness } from "../ops/index.js";
import { PeerMethod } from "../peer-kinds.js";
import type { ReplicaHost } from "../replica/host.js";
import type { Replica } from "../replica/replica.js";
import { peerCall } from "../routing/forwarding.js";
import { encodeJson } from "../routing/json-payload.js";
import type { LeaderTable } from "../routing/leader-table.js";
import { type BrokerStatus, decodeStatus, encodeStatus, groupStatus, parseGroupIds } from "./status.js";

export interface StatusExchangeOptions {
  readonly brokerId: BrokerId;
  readonly hub: PeerHub;
  readonly host: ReplicaHost;
  readonly leaders: LeaderTable;
  readonly readiness: () => Readiness;
  /** Hands a leadership to a replica that can take it now; false: it cannot. */
  readonly handOver: (replica: Replica, to: ReplicaId) => boolean;
}

const TRANSFER_MS = 5_000;

export class StatusExchange {
  private readonly options: StatusExchangeOptions;

  constructor(options: StatusExchangeOptions) {
    this.options = options;
    options.hub.handleCall(PeerMethod.status, async (_from, payload) => encodeStatus(this.own(parseGroupIds(payload))));
    options.hub.handleCall(PeerMethod.transfer, async (_from, payload) => {
      const [groupId, to] = parseGroupIds(payload);
      const replica = groupId === undefined ? null : options.host.get(groupId);
      if (replica === null || to === undefined || !replica.isReadyLeader()) throw notController();
      options.handOver(replica, to);
      return new Uint8Array(0);
    });
  }

  /** Status of groups from whoever leads them; brokers that do not answer are missing. Empty list = all groups. */
  async gather(groupIds: readonly GroupId[], timeoutMs: number): Promise<BrokerStatus[]> {
    const { hub } = this.options;
    const payload = encodeJson(groupIds);
    const others = hub.connected().map(({ brokerId }) =>
      peerCall(hub, brokerId, PeerMethod.status, payload, { timeoutMs })
        .then(decodeStatus)
        .catch(() => null),
    );
    const answers = await Promise.all(others);
    return [this.own(groupIds), ...answers.filter((answer) => answer !== null)];
  }

  /**
   * Asks a group's leader to hand over to another replica, which it does when that can take over at once: while it waits for a successor it takes
   * no records. Whether and when it did shows in `leaders`. @throws VarveError NOT_LEADER.
   */
  async askTransfer(groupId: GroupId, to: ReplicaId): Promise<void> {
    const { brokerId, host, hub, leaders, handOver } = this.options;
    const here = host.get(groupId);
    if (here?.isReadyLeader()) {
      handOver(here, to);
      return;
    }
    const leader = leaders.get(groupId)?.broker ?? null;
    if (leader === null || leader === brokerId) throw notController(leader);
    await peerCall(hub, leader, PeerMethod.transfer, encodeJson([groupId, to]), { timeoutMs: TRANSFER_MS });
  }

  private own(groupIds: readonly GroupId[]): BrokerStatus {
    const { brokerId, host, readiness } = this.options;
    const wanted = groupIds.length === 0 ? null : new Set(groupIds);
    const groups = [...host.all()]
      .filter(({ groupId }) => wanted === null || wanted.has(groupId))
      .flatMap((replica) => groupStatus(replica, brokerId) ?? []);
    const { ready, reasons } = readiness();
    return { brokerId, ready, reasons, groups };
  }
}
