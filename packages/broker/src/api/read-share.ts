/**
 * read-share.ts: bytes that subscriptions have read, or are about to, and their connections have not taken yet.
 *
 * A client may open many streams, follow one partition many times, grant much and read nothing: without a bound over all of it, each loop would
 * read its share into memory.
 * Invariants:
 *   R1  bytes taken are at most `connectionBytesMax` of one connection and `bytesMax` of all, but for what is taken where there is nothing else
 *   R2  who waits is served in order within its connection; connections do not wait for each other, but for the bound of all
 */
import { assert, assertDefined, onAbort } from "@varve/base";

interface Waiter {
  readonly bytes: number;
  readonly settle: (taken: boolean) => void;
}

interface Connection {
  bytes: number;
  /** The largest read for which there was no room: the next ones ask for as much, instead of being done twice. */
  readBytes: number;
  readonly waiting: Waiter[];
}

export class ReadShare {
  readonly bytesMax: number;
  /** Of one connection. */
  readonly connectionBytesMax: number;
  private readonly connections = new Map<string, Connection>();
  private total = 0;

  constructor(bytesMax: number, connectionBytesMax: number) {
    this.bytesMax = bytesMax;
    this.connectionBytesMax = connectionBytesMax;
  }

  get usedBytes(): number {
    return this.total;
  }

  /** Of the connection with the most. */
  get largestBytes(): number {
    let largest = 0;
    for (const { bytes } of this.connections.values()) largest = Math.max(largest, bytes);
    return largest;
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

  /**
   * Makes `held` bytes `wanted` ones: less at once, more only when that fits and nobody of the connection waits.
   * @returns whether they are `wanted` now; else they are `held` as before.
   */
  resize(peer: string, held: number, wanted: number): boolean {
    if (wanted <= held) {
      this.release(peer, held - wanted);
      return true;
    }
    const connection = this.connectionOf(peer);
    const fits = this.fits(connection, wanted - held, held) && connection.waiting.length === 0;
    if (fits) this.addTo(connection, wanted - held);
    else {
      connection.readBytes = Math.max(connection.readBytes, wanted);
      this.drop(peer, connection);
    }
    return fits;
  }

  /** What a read of at most `bytes`, or of one batch that is larger, takes by what the connection's reads have come to. */
  roomFor(peer: string, bytes: number): number {
    return Math.max(bytes, this.connections.get(peer)?.readBytes ?? 0);
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
    const connection: Connection = { bytes: 0, readBytes: 0, waiting: [] };
    this.connections.set(peer, connection);
    return connection;
  }

  /** @param own bytes that whoever asks holds already. */
  private fits(connection: Connection, bytes: number, own = 0): boolean {
    const fitsShare = connection.bytes === own || connection.bytes + bytes <= this.connectionBytesMax;
    return fitsShare && (this.total === own || this.total + bytes <= this.bytesMax);
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
