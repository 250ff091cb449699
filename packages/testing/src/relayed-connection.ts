/**
 * relayed-connection.ts: one client's connection through a relay: the client's socket, and the relay's own socket to the broker.
 *
 * States: held (nothing crosses; the dial may still be ahead) <-> joined (bytes cross, both ways) -> gone (both sockets are closed).
 * Invariants:
 *   R1  while it is held nothing crosses: neither bytes nor the news that an end has closed or broken
 *   R2  what was held crosses first, in order, when it is joined again; unless an end broke meanwhile, which breaks the other
 *   R3  of either direction at most two socket buffers are in memory, however long it is held: nothing reads on, and the kernel stops the sender
 */
import { connect, type Socket } from "node:net";
import { KIB } from "@varve/base";

/** Of both sockets. Ends close one by one, as they do without a relay; larger buffers make fewer turns of a pipe. */
export const SOCKET_OPTIONS = { allowHalfOpen: true, noDelay: true, highWaterMark: 256 * KIB } as const;

export class RelayedConnection {
  private readonly client: Socket;
  private readonly onGone: () => void;
  /** Null until the connection is joined for the first time. */
  private broker: Socket | null = null;
  private isJoined = false;

  /** Held, until `join`. The client's socket was accepted and not read from. */
  constructor(client: Socket, onGone: () => void) {
    this.client = client;
    this.onGone = onGone;
    this.watch(client);
  }

  /** Lets bytes cross; the first time it dials the broker at that port. */
  join(brokerPort: number): void {
    if (this.isJoined) return;
    this.isJoined = true;
    const broker = this.broker ?? this.dial(brokerPort);
    if (this.client.destroyed || broker.destroyed) {
      this.reset();
      return;
    }
    this.client.pipe(broker);
    broker.pipe(this.client);
  }

  hold(): void {
    this.isJoined = false;
    for (const socket of this.sockets()) {
      socket.unpipe();
      socket.pause();
    }
  }

  /** Breaks both ends. */
  reset(): void {
    for (const socket of this.sockets()) socket.resetAndDestroy();
  }

  private sockets(): readonly Socket[] {
    return this.broker === null ? [this.client] : [this.client, this.broker];
  }

  private dial(port: number): Socket {
    const broker = connect({ host: "127.0.0.1", port, ...SOCKET_OPTIONS });
    this.broker = broker;
    this.watch(broker);
    return broker;
  }

  private watch(socket: Socket): void {
    socket.on("error", () => {}); // `close` follows, and says that there was one.
    socket.on("close", (isBroken) => this.closed(socket, isBroken));
  }

  private closed(socket: Socket, isBroken: boolean): void {
    const other = socket === this.client ? this.broker : this.client;
    if (other === null || other.closed) this.onGone();
    else if (this.isJoined && isBroken) other.resetAndDestroy();
    else if (this.isJoined) other.destroySoon();
  }
}
