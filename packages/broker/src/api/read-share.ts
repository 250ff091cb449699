/**
 * read-share.ts: bytes that subscriptions have read, or are about to, and their connections have not taken yet.
 *
 * A client may open many streams, follow one partition many times, grant much and read nothing: without a bound over all of it, each loop would
 * read its share into memory.
 * Invariants:
 *   R1  bytes taken with `take` are at most `connectionBytesMax` of one connection and `bytesMax` of all, but for one read where there
 *       is no other
 *   R2  who waits is served in order within its connection; connections do not wait for each other, but for the bound of all
 */
import { assert, assertDefined, onAbort } from "@varve/base";

interface Waiter {
  readonly bytes: number;
  readonly settle: (taken: boolean) => void;
}

interface Connection {
  bytes: number;
  readonly waiting: Waiter[];
}

export class ReadShare {
  readonly bytesMax: number;
  private readonly connectionBytesMax: number;
  private readonly connections = new Map<string, Connection>();
  private total = 0;

  constructor(bytesMax: number, connectionBytesMax: number) {
    this.bytesMax = bytesMax;
    this.connectionBytesMax = connectionBytesMax;
  }

  get usedBytes(): number {
    return this.total;
  }

  /** Takes the bytes as soon as there is room; false: `signal` came first, and nothing was taken. */
  take(peer: string, bytes: number, signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false);
    const connection = this.connectionOf(peer);
    if (connection.waiting.length === 0 && this.fits(connection, bytes)) {
      this.addTo(connection, bytes);
      return Promise.resolve(true);
    }
    return new Promise((resolve) => {
      const waiter: Waiter = {
        bytes,
        settle: (taken) => {
          forget();
          resolve(taken);
        },
      };
      const forget = onAbort(signal, () => {
        connection.waiting.splice(connection.waiting.indexOf(waiter), 1);
        this.drop(peer, connection);
        resolve(false);
      });
      connection.waiting.push(waiter);
    });
  }

  /** Takes the bytes in any case: for what has been read already. */
  add(peer: string, bytes: number): void {
    if (bytes > 0) this.addTo(this.connectionOf(peer), bytes);
  }

  release(peer: string, bytes: number): void {
    if (bytes === 0) return;
    const connection = assertDefined(this.connections.get(peer), "only what was taken is released");
    const wasFull = this.total >= this.bytesMax / 2;
    connection.bytes -= bytes;
    this.total -= bytes;
    assert(connection.bytes >= 0, "no more is released than was taken");
    this.serve(peer, connection);
    // Others wait for this connection only where the bound of all held them back.
    if (wasFull) for (const [other, waiting] of [...this.connections]) this.serve(other, waiting);
  }

  private connectionOf(peer: string): Connection {
    const known = this.connections.get(peer);
    if (known !== undefined) return known;
    const connection: Connection = { bytes: 0, waiting: [] };
    this.connections.set(peer, connection);
    return connection;
  }

  private fits(connection: Connection, bytes: number): boolean {
    const fitsShare = connection.bytes === 0 || connection.bytes + bytes <= this.connectionBytesMax;
    return fitsShare && (this.total === 0 || this.total + bytes <= this.bytesMax);
  }

  private addTo(connection: Connection, bytes: number): void {
    connection.bytes += bytes;
    this.total += bytes;
  }

  private serve(peer: string, connection: Connection): void {
    for (;;) {
      const next = connection.waiting[0];
      if (next === undefined || !this.fits(connection, next.bytes)) break;
      connection.waiting.shift();
      this.addTo(connection, next.bytes);
      next.settle(true);
    }
    this.drop(peer, connection);
  }

  /** A connection is remembered only while it has bytes or waits for some. */
  private drop(peer: string, connection: Connection): void {
    if (connection.bytes === 0 && connection.waiting.length === 0) this.connections.delete(peer);
  }
}
