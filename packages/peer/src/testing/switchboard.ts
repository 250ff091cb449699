/**
 * switchboard.ts: partitions between brokers of one process that speak over real sockets.
 *
 * Each broker's Link is wrapped with its broker id; the switchboard learns who listens on which port, so a dialing broker's wrapper knows
 * both ends of its connection and can hold either direction. As in a real partition nobody is told: bytes, dials and closes that
 * cross a blocked pair wait until it heals, and the brokers must find out by their own timeouts.
 */
import type { BrokerId, Link, LinkConnection } from "@varve/base";
import { GatedConnection } from "./gated-connection.js";

/** Who may reach whom. One per cluster of brokers in a process. */
export class Switchboard {
  private readonly owners = new Map<number, BrokerId>();
  private readonly blocked = new Set<string>();
  private readonly gated = new Set<GatedConnection>();

  /** Nothing passes from one broker to the other until `heal`. */
  block(from: BrokerId, to: BrokerId): void {
    this.blocked.add(`${from}>${to}`);
    for (const connection of this.gated) connection.onBlocked();
  }

  /** Nothing passes between the two sides, either way, until `heal`. */
  partition(left: readonly BrokerId[], right: readonly BrokerId[]): void {
    for (const one of left) {
      for (const other of right) {
        this.block(one, other);
        this.block(other, one);
      }
    }
  }

  /** Everything passes again, what waited first. */
  heal(): void {
    this.blocked.clear();
    for (const connection of [...this.gated]) connection.onHealed();
  }

  isBlocked(from: BrokerId, to: BrokerId | null): boolean {
    return to !== null && this.blocked.has(`${from}>${to}`);
  }

  /** The broker that listens on the port of `address`, or null. Ports are unique within a process, whatever the host says. */
  ownerOf(address: string): BrokerId | null {
    return this.owners.get(portOf(address)) ?? null;
  }

  setOwner(port: number, brokerId: BrokerId): void {
    this.owners.set(port, brokerId);
  }

  add(connection: GatedConnection): void {
    this.gated.add(connection);
  }

  remove(connection: GatedConnection): void {
    this.gated.delete(connection);
  }
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(":") + 1));
}

/** The Link of broker `brokerId`, whose connections obey the switchboard. */
export function partitionableLink(inner: Link, brokerId: BrokerId, switchboard: Switchboard): Link {
  return {
    async listen(host, port, onConnection) {
      const listener = await inner.listen(host, port, onConnection);
      switchboard.setOwner(listener.port, brokerId);
      return listener;
    },
    dial(address): LinkConnection {
      return new GatedConnection({
        address,
        dial: () => inner.dial(address),
        isOutBlocked: () => switchboard.isBlocked(brokerId, switchboard.ownerOf(address)),
        isInBlocked: () => {
          const owner = switchboard.ownerOf(address);
          return owner !== null && switchboard.isBlocked(owner, brokerId);
        },
        onGone: (connection) => switchboard.remove(connection),
        onMade: (connection) => switchboard.add(connection),
      });
    },
  };
}
