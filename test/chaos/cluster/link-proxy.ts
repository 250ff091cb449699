/**
 * link-proxy.ts: stands where others reach one listener of a broker, and tells by whom: each connection has two directed links, there and back.
 *
 * Brokers register one address, the same for all, so a proxy tells its peers apart by the first frame that each of them sends: it names
 * the broker. Clients are all one sender, CLIENTS.
 * Invariants:
 *   P1  of a broker that is dead, or does not listen yet, connections are refused at once, as without a proxy, unless some link of it is held: a cut
 *       network refuses nothing
 *   P2  at most CONNECTIONS_MAX connections; more are reset
 * Source: packages/peer/src/wire: frame.ts (28 bytes of header), hello.ts ("VRVP" at 0, broker id at 10 of the payload).
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import { pause } from "../clock.js";
import type { DirectedLink } from "./directed-link.js";
import { CLIENTS } from "./fabric.js";
import { breakOff, Flow } from "./flow.js";

const HOST = "127.0.0.1";
const CONNECTIONS_MAX = 2_000;
const HELLO_AT = 28;
const BROKER_ID_AT = HELLO_AT + 10;
const HELLO_BYTES = BROKER_ID_AT + 4;
const HELLO_MAGIC = "VRVP";
/** Between two looks whether a broker that was started listens. */
const LOOK_MS = 20;
const OPTIONS = { allowHalfOpen: true, noDelay: true } as const;

/** Links of the broker behind a proxy, by who is at the other end. */
export interface LinksOf {
  readonly towards: (other: number) => DirectedLink;
  readonly back: (other: number) => DirectedLink;
  readonly anyHeld: () => boolean;
}

export class LinkProxy {
  private readonly port: number;
  private readonly brokerPort: number;
  private readonly speaks: "peer" | "client";
  private readonly links: LinksOf;
  private readonly sockets = new Set<Socket>();
  private server: Server | null = null;
  private isAlive = false;
  /** The broker listens; it does so a while after its process was started. */
  private isReachable = false;

  constructor(port: number, brokerPort: number, speaks: "peer" | "client", links: LinksOf) {
    this.port = port;
    this.brokerPort = brokerPort;
    this.speaks = speaks;
    this.links = links;
  }

  /** The broker's process lives or has died; resolves when the listener has followed, which is when the broker listens itself. */
  async setAlive(isAlive: boolean): Promise<void> {
    this.isAlive = isAlive;
    this.isReachable = false;
    await this.adapt();
    while (this.isAlive && !this.isReachable) {
      this.isReachable = await answers(this.brokerPort);
      if (!this.isReachable) await pause(LOOK_MS);
    }
    await this.adapt();
  }

  /** Opens or closes the listener as P1 says; called when links have changed, too. */
  async adapt(): Promise<void> {
    const wanted = (this.isAlive && this.isReachable) || this.links.anyHeld();
    if (wanted && this.server === null) await this.listen();
    if (!wanted) this.closeListener();
  }

  /** Breaks every connection. */
  reset(): void {
    for (const socket of [...this.sockets]) breakOff(socket);
  }

  close(): void {
    this.isAlive = false;
    this.closeListener();
    this.reset();
  }

  private closeListener(): void {
    this.server?.close();
    this.server = null;
  }

  private listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      const server = createServer({ ...OPTIONS, pauseOnConnect: true }, (socket) => this.accept(socket));
      this.server = server;
      server.once("error", reject);
      server.once("close", resolve); // It may be closed before it listens.
      server.listen(this.port, HOST, () => resolve());
    });
  }

  private accept(socket: Socket): void {
    this.watch(socket);
    if (this.sockets.size > CONNECTIONS_MAX) breakOff(socket);
    else if (this.speaks === "client") this.join(socket, CLIENTS, null);
    else this.awaitHello(socket);
  }

  private awaitHello(socket: Socket): void {
    let hello = Buffer.alloc(0);
    const hear = (bytes: Buffer): void => {
      hello = Buffer.concat([hello, bytes]);
      if (hello.length < HELLO_BYTES) return;
      socket.off("data", hear);
      socket.pause();
      const isHello = hello.toString("latin1", HELLO_AT, HELLO_AT + HELLO_MAGIC.length) === HELLO_MAGIC;
      if (isHello) this.join(socket, hello.readUInt32LE(BROKER_ID_AT), hello);
      else breakOff(socket);
    };
    socket.on("data", hear);
    socket.resume();
  }

  /** Dials the broker for a connection from `other`, as soon as the network lets it. */
  private join(socket: Socket, other: number, first: Buffer | null): void {
    const towards = this.links.towards(other);
    if (towards.isHeld) {
      const unwatch = towards.watch(() => {
        if (towards.isHeld && !socket.destroyed) return;
        unwatch();
        if (!socket.destroyed) this.join(socket, other, first);
      });
      return;
    }
    const broker = connect({ host: HOST, port: this.brokerPort, ...OPTIONS });
    this.watch(broker);
    new Flow(socket, broker, towards, first);
    new Flow(broker, socket, this.links.back(other), null);
  }

  private watch(socket: Socket): void {
    this.sockets.add(socket);
    socket.on("error", () => {}); // `close` follows, and says that there was one.
    socket.on("close", () => this.sockets.delete(socket));
  }
}

/** Whether somebody listens on the port. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: HOST, port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
