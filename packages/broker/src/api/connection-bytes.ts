/**
 * connection-bytes.ts: produced bytes that wait for their acknowledgement, per client connection.
 *
 * Invariants:
 *   B1  a connection is remembered only while bytes of it are in flight, so that their number needs no bound of its own
 *   B2  whoever waits for room is woken as soon as there is some
 */
import { assert, assertDefined } from "@varve/base";

interface Connection {
  bytes: number;
  readonly waiting: (() => void)[];
}

export class ConnectionBytes {
  readonly bytesMax: number;
  private readonly connections = new Map<string, Connection>();

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /** Of the connection with the most. */
  get largestBytes(): number {
    let largest = 0;
    for (const { bytes } of this.connections.values()) largest = Math.max(largest, bytes);
    return largest;
  }

  /** Takes the bytes, or takes nothing and says false: for calls that can be refused. */
  take(peer: string, bytes: number): boolean {
    if ((this.connections.get(peer)?.bytes ?? 0) + bytes > this.bytesMax) return false;
    this.add(peer, bytes);
    return true;
  }

  /** Takes the bytes in any case: for streams, which are not read on without `room`. */
  add(peer: string, bytes: number): void {
    if (bytes === 0) return;
    const connection = this.connections.get(peer) ?? { bytes: 0, waiting: [] };
    connection.bytes += bytes;
    this.connections.set(peer, connection);
  }

  release(peer: string, bytes: number): void {
    if (bytes === 0) return;
    const connection = assertDefined(this.connections.get(peer), "only what was taken is released");
    connection.bytes -= bytes;
    assert(connection.bytes >= 0, "no more is released than was taken");
    if (connection.bytes === 0) this.connections.delete(peer); // B1
    if (connection.bytes < this.bytesMax) for (const wake of connection.waiting.splice(0)) wake(); // B2
  }

  /** Resolves when the connection has less than the bound in flight. */
  async room(peer: string): Promise<void> {
    for (;;) {
      const connection = this.connections.get(peer);
      if (connection === undefined || connection.bytes < this.bytesMax) return;
      await new Promise<void>((resolve) => connection.waiting.push(resolve));
    }
  }
}
