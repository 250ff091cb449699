/**
 * door.ts: where clients' connections come in: counted, bounded, secured where TLS is on, guarded, then handed to grpc-js.
 *
 * grpc-js 1.14 listens by itself, without any bound; through its connection injector it serves sockets that others accepted. Its options do not
 * reach all of HTTP/2's, so this adds to the table of options that it keeps, and looks for the HTTP/2 server among those that it has. Were
 * they elsewhere, a test would fail.
 * Invariants:
 *   D1  a socket that is refused costs no HTTP/2 session
 *   D2  an address whose connections were cut off again and again is not let in for a while; those that it has live on
 */
import type { Http2Server, ServerHttp2Session } from "node:http2";
import { createServer, type Server as NetServer, type Socket } from "node:net";
import { type Server, ServerCredentials } from "@grpc/grpc-js";
import { KIB } from "@varve/base";
import { Bucket } from "./bucket.js";
import type { ConnectionLimits, ConnectionStats } from "./connection-limits.js";
import { FLOW_CONTROL_WINDOW_BYTES } from "./options.js";
import { SessionGuard, type Shared } from "./session-guard.js";
import { type ServerTls, TlsDoor } from "./tls-door.js";

/** Headers of a request; gRPC has about ten, and clients add traces and tokens. */
const HEADER_PAIRS_MAX = 64;
const HEADER_LIST_BYTES_MAX = 16 * KIB;
/** Frames that break the protocol without ending the connection. */
const INVALID_FRAMES_MAX = 50;
/** Cancelled calls, answered ones among them; Node's own 33 a second ends honest clients with little patience. From Node 22.10 on. */
const RESETS = { streamResetBurst: 10_000, streamResetRate: 1_000 } as const;
/** Between two looks at messages that take long. */
const SWEEP_MS = 1_000;
const BACKLOG = 1_024;
/** Connections of one address that may be cut off before it has to wait, and how many it is forgiven a second. */
const CUT_OFFS = { burst: 5, perSecond: 0.2 } as const;
/** Addresses whose cut-offs are remembered at most; the oldest is forgotten first. */
const OFFENDERS_MAX = 10_000;

/** The parts of a grpc-js server that have no public name. */
interface Inside {
  commonServerOptions?: { readonly settings?: object };
  readonly http2Servers?: ReadonlyMap<Http2Server, unknown>;
}

export class Door {
  private readonly limits: ConnectionLimits;
  private readonly listener: NetServer;
  private readonly addresses = new Map<string, number>();
  private readonly offenders = new Map<string, Bucket>();
  private readonly guards = new Map<string, SessionGuard>();
  private readonly shared: Shared;
  private readonly sweeper: NodeJS.Timeout;
  private refused = 0;
  private open = 0;

  constructor(server: Server, limits: ConnectionLimits, unaryPaths: ReadonlySet<string>, tls: ServerTls | null) {
    this.limits = limits;
    this.shared = { limits, unaryPaths, unfinishedBytes: 0, responseBytes: 0, cutOff: 0 };
    const inside = server as unknown as Inside;
    inside.commonServerOptions = {
      ...inside.commonServerOptions,
      settings: {
        ...inside.commonServerOptions?.settings,
        maxHeaderListSize: HEADER_LIST_BYTES_MAX,
        initialWindowSize: FLOW_CONTROL_WINDOW_BYTES,
      },
      maxHeaderListPairs: HEADER_PAIRS_MAX,
      maxSessionInvalidFrames: INVALID_FRAMES_MAX,
      ...RESETS,
    } as object;
    const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
    for (const http2Server of inside.http2Servers?.keys() ?? [])
      http2Server.on("session", (session: ServerHttp2Session) => this.enter(session));
    const serve = (socket: Socket): void => injector.injectConnection(socket);
    const tlsDoor = tls === null ? null : new TlsDoor(tls, serve);
    this.listener = createServer({ noDelay: true }, (socket) => {
      if (!this.admit(socket)) socket.destroy();
      else if (tlsDoor === null) serve(socket);
      else tlsDoor.enter(socket);
    });
    this.sweeper = setInterval(() => this.sweep(), SWEEP_MS);
    this.sweeper.unref();
  }

  /** Resolves with the port. Rejects with what the operating system says. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.listener.once("error", reject);
      this.listener.listen({ host, port, backlog: BACKLOG }, () => {
        this.listener.off("error", reject);
        const bound = this.listener.address();
        resolve(typeof bound === "object" && bound !== null ? bound.port : port);
      });
    });
  }

  /** An answer of that many bytes is handed to the connection of `peer` now. */
  handed(peer: string, bytes: number): void {
    this.guards.get(peer)?.handed(bytes);
  }

  /** Counts what streams hand to the connection of `peer`, until it has taken it. */
  outgoingOf(peer: string): { add(bytes: number): void; taken(bytes: number): void } {
    const guard = this.guards.get(peer);
    return { add: (bytes) => guard?.addStreamed(bytes), taken: (bytes) => guard?.addStreamed(-bytes) };
  }

  /** No more connections; those that are open live on. */
  close(): void {
    clearInterval(this.sweeper);
    this.listener.close();
  }

  /** Whether an answer of that many bytes may be handed to the connection of `peer`. */
  hasRoom(peer: string, bytes: number): boolean {
    return this.guards.get(peer)?.hasRoom(bytes) ?? true;
  }

  stats(): ConnectionStats {
    const { unfinishedBytes, responseBytes, cutOff } = this.shared;
    return { connections: this.open, unfinishedBytes, responseBytes, refused: this.refused, cutOff };
  }

  private admit(socket: Socket): boolean {
    const address = socket.remoteAddress;
    const ofAddress = this.addresses.get(address ?? "") ?? 0;
    const { connectionsMax, connectionsPerAddressMax } = this.limits;
    const isFull = this.open >= connectionsMax || ofAddress >= connectionsPerAddressMax;
    if (address === undefined || isFull || this.offenders.get(address)?.isEmpty === true) {
      this.refused++;
      return false;
    }
    this.open++;
    this.addresses.set(address, ofAddress + 1);
    socket.once("close", () => this.leave(address));
    return true;
  }

  private leave(address: string): void {
    this.open--;
    const ofAddress = (this.addresses.get(address) ?? 1) - 1;
    if (ofAddress === 0) this.addresses.delete(address);
    else this.addresses.set(address, ofAddress);
  }

  private enter(session: ServerHttp2Session): void {
    // HTTP/2 begins with 64 KiB for a connection: one quarter of a produce request, after which both sides wait for each other.
    session.setLocalWindowSize(FLOW_CONTROL_WINDOW_BYTES);
    const { remoteAddress, remotePort } = session.socket;
    const peer = `${remoteAddress}:${remotePort}`;
    this.guards.set(peer, new SessionGuard(session, this.shared, () => this.offended(remoteAddress ?? "")));
    session.once("close", () => this.guards.delete(peer));
  }

  private offended(address: string): void {
    const known = this.offenders.get(address) ?? new Bucket(CUT_OFFS);
    known.take();
    this.offenders.set(address, known);
    const [oldest] = this.offenders.keys();
    if (this.offenders.size > OFFENDERS_MAX && oldest !== undefined) this.offenders.delete(oldest);
  }

  private sweep(): void {
    const nowMs = performance.now();
    for (const [address, cutOffs] of this.offenders) if (cutOffs.isFull) this.offenders.delete(address);
    for (const guard of this.guards.values()) guard.sweep(nowMs);
  }
}
