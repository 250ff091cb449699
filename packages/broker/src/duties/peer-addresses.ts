/**
 * peer-addresses.ts: which addresses this broker keeps links to, as the controller's state names them, and who is expected at each.
 *
 * Addresses of brokers change: a pod comes back with another one, and an old one may be another pod's by then. So the hub is told who may answer
 * where, and an address that its broker has left for another is dialed no more.
 */
import type { BrokerId } from "@varve/base";
import type { ControllerState } from "@varve/cluster";
import type { PeerHub } from "@varve/peer";

export interface PeerAddressesOptions {
  readonly self: BrokerId;
  /** They are dialed whoever has them: an operator wrote them down. */
  readonly seeds: readonly string[];
  readonly hub: Pick<PeerHub, "connect" | "disconnect">;
}

export class PeerAddresses {
  private readonly options: PeerAddressesOptions;
  private readonly addressOf = new Map<BrokerId, string>();

  constructor(options: PeerAddressesOptions) {
    this.options = options;
  }

  /** Called when the metadata has changed. A broker that has joined is reached before it has registered: it can only register once its replica hears the leader. */
  follow(state: Pick<ControllerState, "controllerReplicas" | "brokers">): void {
    const { hub, self } = this.options;
    const now = new Map<BrokerId, string>();
    for (const { brokerId, peerAddress } of [...state.controllerReplicas, ...state.brokers()])
      if (peerAddress !== "") now.set(brokerId, peerAddress);
    const expected = new Map<string, Set<BrokerId>>();
    for (const [brokerId, address] of now) expected.set(address, (expected.get(address) ?? new Set()).add(brokerId));
    for (const [brokerId, address] of now) {
      if (brokerId !== self) this.leave(brokerId, address, expected);
      const brokers = expected.get(address);
      if (brokerId !== self && brokers !== undefined) hub.connect(address, brokers);
    }
  }

  /** Forgets the address that a broker had before this one, unless somebody else needs it. */
  private leave(brokerId: BrokerId, address: string, needed: ReadonlyMap<string, unknown>): void {
    const before = this.addressOf.get(brokerId);
    this.addressOf.set(brokerId, address);
    if (before === undefined || before === address) return;
    if (!needed.has(before) && !this.options.seeds.includes(before)) this.options.hub.disconnect(before);
  }
}
