/**
 * connection-budget.ts: what one client connection may have in flight: produced bytes that wait for their acknowledgement, or requests that wait
 * for their answer to be taken.
 *
 * Invariants:
 *   B1  a connection is remembered only while something of it is in flight, so that their number needs no bound of its own
 *   B2  whoever waits for room is woken as soon as there is some
 */
import { assert, assertDefined } from "@varve/base";

interface Connection {
  used: number;
  readonly waiting: (() => void)[];
}

export class ConnectionBudget {
  readonly max: number;
  private readonly connections = new Map<string, Connection>();

  /** @param max of one connection, in whatever is counted. */
  constructor(max: number) {
    this.max = max;
  }

  /** Of the connection with the most. */
  get largest(): number {
    let largest = 0;
    for (const { used } of this.connections.values()) largest = Math.max(largest, used);
    return largest;
  }

  /** Takes that much, or takes nothing and says false: for calls that can be refused. */
  take(peer: string, amount: number): boolean {
    if ((this.connections.get(peer)?.used ?? 0) + amount > this.max) return false;
    this.add(peer, amount);
    return true;
  }

  /** Takes it in any case: for streams, which are not read on without `room`. */
  add(peer: string, amount: number): void {
    if (amount === 0) return;
    const connection = this.connections.get(peer) ?? { used: 0, waiting: [] };
    connection.used += amount;
    this.connections.set(peer, connection);
  }

  release(peer: string, amount: number): void {
    if (amount === 0) return;
    const connection = assertDefined(this.connections.get(peer), "only what was taken is released");
    connection.used -= amount;
    assert(connection.used >= 0, "no more is released than was taken");
    if (connection.used === 0) this.connections.delete(peer); // B1
    if (connection.used < this.max) for (const wake of connection.waiting.splice(0)) wake(); // B2
  }

  /** Resolves when the connection has less than the bound in flight. */
  async room(peer: string): Promise<void> {
    for (;;) {
      const connection = this.connections.get(peer);
      if (connection === undefined || connection.used < this.max) return;
      await new Promise<void>((resolve) => connection.waiting.push(resolve));
    }
  }
}
