/**
 * hub.ts: all links of one broker: who is connected, and which link a message, call or stream takes.
 *
 * Invariants:
 *   B1  at most one dialed link per peer, whatever number of addresses lead to it; the one at which it is expected wins, so that the other, whose
 *       name led astray, is free to find whom it is for
 *   B2  requests go out on connections that this side dialed; answers come back on the connection of the request
 *   B3  one directory per broker id: while one is up, another that claims the id is refused
 *   B4  a newer boot of a directory replaces the links of the older one
 */
import {
  assert,
  type BrokerId,
  type Link,
  type LinkConnection,
  type LinkListener,
  type TimerHandle,
  VarveError,
} from "@varve/base";
import type { CallHandler, Lane, PeerHello, PeerHub, PeerHubOptions, PeerStream, StreamHandler } from "./api.js";
import type { CallOptions } from "./calls/caller.js";
import { Dialer, type DialerHost } from "./dialer.js";
import { peerOverloaded, peerUnreachable } from "./errors.js";
import { Inbound, type InboundHost } from "./inbound.js";
import { PEER_LIMITS } from "./limits.js";
import type { OutboundLink } from "./outbound-link.js";
import { RefusalLog } from "./refusal-log.js";
import { failedStream } from "./streams/failed-stream.js";
import { FrameType } from "./wire/frame.js";
import { TurnEnd } from "./wire/outbox.js";

interface Claim {
  readonly peer: PeerHello;
  readonly dialer: Dialer;
}

/** The links of one broker over the given transport. */
export function createPeerHub(options: PeerHubOptions & { readonly link: Link }): PeerHub {
  return new Hub(options);
}

class Hub implements PeerHub {
  private readonly options: PeerHubOptions & { readonly link: Link };
  private readonly turnEnd: TurnEnd;
  private readonly dialerHost: DialerHost;
  private readonly inboundHost: InboundHost;
  private readonly calls = new Map<number, CallHandler>();
  private readonly streams = new Map<number, StreamHandler>();
  private readonly dialers = new Map<string, Dialer>();
  private readonly claims = new Map<BrokerId, Claim>();
  private readonly links = new Map<BrokerId, OutboundLink>();
  private readonly inbounds = new Set<Inbound>();
  private readonly listeners: LinkListener[] = [];
  private ticker: TimerHandle;
  private closed = false;

  constructor(options: PeerHubOptions & { readonly link: Link }) {
    this.options = options;
    const { clock, random, logger, link, hello, encodeError, queueBytesMax } = options;
    this.turnEnd = new TurnEnd(clock);
    const refusals = new RefusalLog(logger, options.onRefused);
    const shared = { clock, logger, hello, refusals, turnEnd: this.turnEnd };
    this.dialerHost = {
      ...shared,
      link,
      random,
      claim: (peer, dialer) => this.claim(peer, dialer),
      release: (peer, dialer) => this.release(peer, dialer),
      onUp: (link) => this.onUp(link),
      onChanged: (peer) => options.onPeerChanged?.(peer),
      onDown: (peer, reason) => {
        this.options.logger.info({ peer: peer.brokerId, reason }, "peer link down");
        if (!this.closed) options.onLinkDown(peer.brokerId, reason);
      },
    };
    this.inboundHost = {
      ...shared,
      calls: this.calls,
      streams: this.streams,
      encodeError,
      queueBytesMax,
      admit: (peer) => this.admit(peer),
      onMessage: (from, lane, kind, payload) => options.onMessage(from.brokerId, lane, kind, payload),
      onGone: (inbound) => this.inbounds.delete(inbound),
    };
    this.ticker = this.startTicker();
  }

  async listen(host: string, port: number): Promise<{ readonly port: number }> {
    assert(!this.closed, "a closed hub does not listen");
    const listener = await this.options.link.listen(host, port, (connection) => this.accept(connection));
    if (this.closed) await listener.close();
    else this.listeners.push(listener);
    return { port: listener.port };
  }

  connect(address: string, expected?: ReadonlySet<BrokerId>): void {
    assert(!this.closed, "a closed hub does not connect");
    const known = this.dialers.get(address);
    const dialer = known ?? new Dialer(address, this.dialerHost);
    if (expected !== undefined) dialer.expect(expected);
    if (known !== undefined) return;
    dialer.start();
    this.dialers.set(address, dialer);
  }

  disconnect(address: string): void {
    const dialer = this.dialers.get(address);
    if (dialer === undefined) return;
    this.dialers.delete(address);
    void dialer.stop();
  }

  connected(): readonly PeerHello[] {
    return Array.from(this.links.values(), (link) => link.peer);
  }

  isConnected(brokerId: BrokerId): boolean {
    return this.links.has(brokerId);
  }

  send(to: BrokerId, lane: Lane, kind: number, parts: readonly Uint8Array[]): boolean {
    const channel = this.links.get(to)?.channel(lane);
    if (channel === undefined) return false;
    let bytes = 0;
    for (let at = 0; at < parts.length; at++) bytes += (parts[at] as Uint8Array).length;
    const { queuedBytes } = channel;
    if (queuedBytes > 0 && queuedBytes + bytes > this.options.queueBytesMax) return false;
    channel.send(FrameType.message, kind, 0, 0, parts);
    return true;
  }

  queuedBytes(to: BrokerId, lane: Lane): number {
    return this.links.get(to)?.channel(lane).queuedBytes ?? 0;
  }

  call(to: BrokerId, method: number, payload: Uint8Array, options: CallOptions): Promise<Uint8Array> {
    const link = this.links.get(to);
    if (link === undefined) return Promise.reject(peerUnreachable(to, "no link is up", "NOT_APPLIED"));
    if (payload.length > PEER_LIMITS.frameBytesMax) return Promise.reject(tooLarge(payload.length));
    const { queuedBytes } = link.bulk;
    if (queuedBytes > 0 && queuedBytes + payload.length > this.options.queueBytesMax) {
      return Promise.reject(peerOverloaded(to, `${queuedBytes} bytes are queued`));
    }
    return link.call(method, payload, options);
  }

  openStream(
    to: BrokerId,
    method: number,
    header: Uint8Array,
    options?: { readonly signal?: AbortSignal },
  ): PeerStream {
    const link = this.links.get(to);
    if (link === undefined) return failedStream(peerUnreachable(to, "no link is up", "NOT_APPLIED"));
    if (header.length > PEER_LIMITS.frameBytesMax) return failedStream(tooLarge(header.length));
    return link.openStream(method, header, options?.signal);
  }

  handleCall(method: number, handler: CallHandler): void {
    assert(!this.calls.has(method), "a method has one call handler");
    this.calls.set(method, handler);
  }

  handleStream(method: number, handler: StreamHandler): void {
    assert(!this.streams.has(method), "a method has one stream handler");
    this.streams.set(method, handler);
  }

  announce(): void {
    for (const dialer of this.dialers.values()) dialer.announce();
    for (const inbound of this.inbounds) inbound.announce();
  }

  flush(): void {
    this.turnEnd.flush();
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.shut();
    const ends = [...this.dialers.values(), ...this.inbounds].map((end) => end.stop());
    this.inbounds.clear();
    await Promise.all([...ends, ...this.listeners.map((listener) => listener.close())]);
  }

  destroy(): void {
    if (this.closed) return;
    this.shut();
    for (const listener of this.listeners) void listener.close();
    for (const dialer of this.dialers.values()) dialer.destroy();
    for (const inbound of this.inbounds) inbound.destroy();
    this.inbounds.clear();
  }

  private shut(): void {
    this.closed = true;
    this.ticker.cancel();
  }

  private startTicker(): TimerHandle {
    return this.options.clock.setTimer(PEER_LIMITS.tickMs, () => {
      this.ticker = this.startTicker();
      for (const dialer of [...this.dialers.values()]) dialer.tick();
      for (const inbound of [...this.inbounds]) inbound.tick();
    });
  }

  private accept(connection: LinkConnection): void {
    let strangers = 0;
    for (const inbound of this.inbounds) if (inbound.peer === null) strangers++;
    const full = this.inbounds.size >= PEER_LIMITS.inboundMax || strangers >= PEER_LIMITS.inboundStrangersMax;
    if (this.closed || full) connection.destroy();
    else this.inbounds.add(new Inbound(connection, this.inboundHost));
  }

  /** B3, B4 for a connection that the peer dialed. */
  private admit(peer: PeerHello): boolean {
    const claim = this.claims.get(peer.brokerId);
    if (claim !== undefined && claim.peer.directoryId !== peer.directoryId) return false;
    for (const other of this.inbounds) {
      if (other.peer?.brokerId === peer.brokerId && other.peer.directoryId !== peer.directoryId) return false;
    }
    this.dropOtherBoots(peer);
    return true;
  }

  /** B1, B3, B4 for a link that this side dialed. */
  private claim(peer: PeerHello, dialer: Dialer): "granted" | "alias" | "conflict" {
    const claim = this.claims.get(peer.brokerId);
    if (claim !== undefined) {
      if (claim.peer.directoryId !== peer.directoryId) return "conflict";
      const isAstray = dialer.expects(peer.brokerId) === true && claim.dialer.expects(peer.brokerId) === false;
      if (claim.peer.bootId === peer.bootId && !isAstray) return "alias";
      claim.dialer.drop();
    }
    this.claims.set(peer.brokerId, { peer, dialer });
    return "granted";
  }

  private release(peer: PeerHello, dialer: Dialer): void {
    this.links.delete(peer.brokerId);
    if (this.claims.get(peer.brokerId)?.dialer !== dialer) return;
    this.claims.delete(peer.brokerId);
    for (const other of this.dialers.values()) if (other !== dialer) other.onReleased(peer);
  }

  private dropOtherBoots(peer: PeerHello): void {
    const claim = this.claims.get(peer.brokerId);
    if (claim !== undefined && claim.peer.bootId !== peer.bootId) claim.dialer.drop();
    for (const other of [...this.inbounds]) {
      if (other.peer?.brokerId !== peer.brokerId || other.peer.bootId === peer.bootId) continue;
      this.inbounds.delete(other);
      other.destroy();
    }
  }

  private onUp(link: OutboundLink): void {
    this.links.set(link.peer.brokerId, link);
    this.options.logger.info({ peer: link.peer.brokerId, address: link.control.remoteAddress }, "peer link up");
    this.options.onLinkUp(link.peer);
  }
}

function tooLarge(bytes: number): VarveError {
  const { frameBytesMax } = PEER_LIMITS;
  const message = `payload of ${bytes} bytes: at most ${frameBytesMax} fit a frame`;
  return new VarveError("INVALID_ARGUMENT", { message, details: { bytes, bytesMax: frameBytesMax } });
}
