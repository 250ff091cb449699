/**
 * retirement.ts: whether this broker is a member still. One that has given everything away leaves the controller's group, and hears no more news
 * then; where it was cut off, it may not even have heard that it was to go. So the others tell a broker whose directory they know to be retired.
 *
 * Invariant D1: what was told once holds for as long as this process runs: a retired directory is never accepted again (B4 of `@varve/cluster`).
 */
import type { BrokerId, DirectoryId, Logger } from "@varve/base";
import type { ControllerState } from "@varve/cluster";
import type { PeerHub } from "@varve/peer";
import { PeerKind } from "../peer-kinds.js";

export interface RetirementOptions {
  readonly brokerId: BrokerId;
  readonly logger: Logger;
  readonly hub: Pick<PeerHub, "connected" | "send">;
  /** null: this broker belongs to no cluster yet. */
  readonly state: () => ControllerState | null;
}

export class Retirement {
  private readonly options: RetirementOptions;
  private wasTold = false;

  constructor(options: RetirementOptions) {
    this.options = options;
  }

  /** Whether this broker holds nothing any more and may be stopped. */
  get isOver(): boolean {
    if (this.wasTold) return true;
    const { brokerId } = this.options;
    const state = this.options.state();
    if (state?.broker(brokerId)?.leaving !== true) return false;
    return state.controllerReplicas.every((seat) => seat.brokerId !== brokerId || seat.leaving);
  }

  /** Drained or being decommissioned: leads only where nobody else can. */
  get isBegun(): boolean {
    const { brokerId } = this.options;
    const state = this.options.state();
    return state !== null && state.broker(brokerId) !== null && !state.mayLead(brokerId);
  }

  /** Whether another broker is meant to lead. */
  mayLead(broker: BrokerId): boolean {
    return this.options.state()?.mayLead(broker) === true;
  }

  /** Called once a second: tells connected brokers what they may have missed. One that is out itself knows nothing of others. */
  tellOthers(): void {
    const state = this.options.state();
    if (state === null || this.isOver) return;
    for (const { brokerId, directoryId } of this.options.hub.connected())
      if (state.isRetired(directoryId as DirectoryId)) this.options.hub.send(brokerId, "control", PeerKind.retired, []);
  }

  /** Another broker says that this one is out. */
  heard(from: BrokerId): void {
    if (this.wasTold) return;
    this.wasTold = true;
    this.options.logger.warn({ from }, "this broker is no member of the cluster any more: it may be stopped");
  }
}
