/**
 * dialer.ts: keeps a link to one address up.
 *
 * States: waiting -> control -> bulk -> up; from each of the last three back to waiting. `control` and `bulk` name the lane whose
 * handshake runs; the control lane goes first, since it tells whose address this is. `aside`: the address is our own, or another address
 * of a broker that has a link already. `stopped` is final.
 * Invariants:
 *   E1  at most one connection per lane exists at a time
 *   E2  a link is up only if both lanes reached the same directory and the same boot
 *   E3  the loss of a link is told once, and `refused` at most once per loss
 */
import { assert, type BrokerId, type Clock, type Link, type Logger, type Random, type TimerHandle } from "@varve/base";
import type { Lane, LinkDownReason, PeerHello } from "./api.js";
import { Backoff } from "./backoff.js";
import { Channel, type ChannelEnd, downReasonOf } from "./channel.js";
import { PEER_LIMITS } from "./limits.js";
import { OutboundLink } from "./outbound-link.js";
import type { RefusalLog } from "./refusal-log.js";
import { type Frame, FrameType } from "./wire/frame.js";
import { decodeAnnouncement, type LaneHello, Refusal, type RefusalReason, refusalOf } from "./wire/hello.js";
import type { TurnEnd } from "./wire/outbox.js";

/** The hub, as a dialer needs it. */
export interface DialerHost {
  readonly link: Link;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly turnEnd: TurnEnd;
  readonly refusals: RefusalLog;
  hello(): PeerHello;
  /** Whether this dialer may hold the link to the peer. `alias`: another address of it does. */
  claim(peer: PeerHello, dialer: Dialer): "granted" | "alias" | "conflict";
  release(peer: PeerHello, dialer: Dialer): void;
  onUp(link: OutboundLink): void;
  onChanged(peer: PeerHello): void;
  onDown(peer: PeerHello, reason: LinkDownReason): void;
}

type State =
  | { readonly kind: "waiting"; readonly timer: TimerHandle }
  | { readonly kind: "control"; readonly control: Channel }
  | { readonly kind: "bulk"; readonly peer: PeerHello; readonly control: Channel; readonly bulk: Channel }
  | { readonly kind: "up"; readonly link: OutboundLink }
  | { readonly kind: "aside"; readonly peer: PeerHello; readonly timer: TimerHandle }
  | { readonly kind: "stopped" };

export class Dialer {
  readonly address: string;
  private readonly host: DialerHost;
  private readonly backoff: Backoff;
  private state: State = { kind: "stopped" };
  /** The peer whose link was lost, until it is up again or the address answered `refused`. */
  private lost: PeerHello | null = null;
  /** Brokers that are expected to answer here; null: not known. */
  private expected: ReadonlySet<BrokerId> | null = null;

  constructor(address: string, host: DialerHost) {
    this.address = address;
    this.host = host;
    this.backoff = new Backoff(host.clock, host.random);
  }

  /** These brokers are expected to answer here from now on. */
  expect(brokers: ReadonlySet<BrokerId>): void {
    this.expected = brokers;
  }

  /** Whether this broker is expected here; null: not known. */
  expects(broker: BrokerId): boolean | null {
    return this.expected?.has(broker) ?? null;
  }

  /** Dials for the first time. @throws VarveError INVALID_ARGUMENT: not an address. */
  start(): void {
    assert(this.state.kind === "stopped", "a dialer is started once");
    this.dial();
  }

  /** The link, while it is up. */
  get link(): OutboundLink | null {
    return this.state.kind === "up" ? this.state.link : null;
  }

  /** Another address of the peer no longer has a link to it: try this one. */
  onReleased(peer: PeerHello): void {
    if (this.state.kind !== "aside" || this.state.peer.directoryId !== peer.directoryId) return;
    this.state.timer.cancel();
    this.wait(0);
  }

  /** This link is a leftover: the peer has restarted, as another connection of it shows, or the name had moved to it for a while. */
  drop(): void {
    const state = this.state;
    if (state.kind === "bulk" || state.kind === "up") this.lose("reset", this.backoff.nextDelayMs());
  }

  announce(): void {
    this.link?.control.announce(this.host.hello());
  }

  tick(): void {
    for (const channel of this.channels()) channel.tick();
  }

  /** Ends the link with a goodbye and dials no more. */
  async stop(): Promise<void> {
    const channels = this.channels();
    this.leave("this side closed the link", "closed");
    await Promise.all(channels.map((channel) => channel.closeInOrder()));
  }

  /** Ends the link without a word and dials no more. */
  destroy(): void {
    for (const channel of this.channels()) channel.destroy();
    this.leave("this side closed the link", null);
  }

  private channels(): readonly Channel[] {
    switch (this.state.kind) {
      case "control":
        return [this.state.control];
      case "bulk":
        return [this.state.control, this.state.bulk];
      case "up":
        return [this.state.link.control, this.state.link.bulk];
      default:
        return [];
    }
  }

  private dial(): void {
    const own = this.host.hello();
    const control = this.openChannel("control", {
      onHello: (hello) => this.onControlHello(own, hello),
      onFrame: (frame) => this.onControlFrame(frame),
    });
    this.state = { kind: "control", control };
    control.greet(own);
  }

  private openChannel(
    lane: Lane,
    handlers: { onHello: (hello: LaneHello) => void; onFrame: (frame: Frame) => string | null },
  ): Channel {
    const { link, clock, logger, turnEnd } = this.host;
    const connection = link.dial(this.address);
    const onDrain = (): void => {
      if (lane === "bulk") this.link?.onBulkDrain();
    };
    return new Channel(
      { connection, lane, dialed: true, clock, logger, turnEnd },
      { ...handlers, onDrain, onClose: (end) => this.onClose(end) },
    );
  }

  private onControlHello(own: PeerHello, { lane, hello }: LaneHello): void {
    const { state } = this;
    if (state.kind !== "control") return;
    if (lane !== "control") {
      state.control.fail("answer of another lane");
      return;
    }
    const refusal = refusalOf(own, hello);
    if (refusal !== null) {
      state.control.destroy();
      this.onRefusal(refusal);
      return;
    }
    const claim = this.host.claim(hello, this);
    if (claim === "granted") {
      this.host.refusals.clear(this.address);
      state.control.open();
      this.dialBulk(own, hello, state.control);
      return;
    }
    state.control.destroy();
    if (claim === "alias") this.stepAside(hello);
    else this.onRefusal({ code: Refusal.identity, text: `broker ${hello.brokerId} is up with another directory` });
  }

  private onControlFrame(frame: Frame): string | null {
    const { state, host } = this;
    if (frame.type !== FrameType.announce) return `frame type ${frame.type} on a dialed control lane`;
    if (state.kind !== "up") return null;
    const peer = decodeAnnouncement(frame.payload, state.link.peer);
    if (typeof peer === "string") return peer;
    state.link.peer = peer;
    // The next handshake says why.
    if (refusalOf(host.hello(), peer) !== null) this.lose("protocol", this.backoff.nextDelayMs());
    else host.onChanged(peer);
    return null;
  }

  private dialBulk(own: PeerHello, peer: PeerHello, control: Channel): void {
    const bulk = this.openChannel("bulk", {
      onHello: (hello) => this.onBulkHello(hello),
      onFrame: (frame) => this.link?.onBulkFrame(frame) ?? null,
    });
    this.state = { kind: "bulk", peer, control, bulk };
    bulk.greet(own);
  }

  private onBulkHello({ lane, hello }: LaneHello): void {
    const { state } = this;
    if (state.kind !== "bulk") return;
    if (lane !== "bulk") {
      state.bulk.fail("answer of another lane");
      return;
    }
    if (hello.bootId !== state.peer.bootId || hello.directoryId !== state.peer.directoryId) {
      this.lose("reset", this.backoff.nextDelayMs()); // E2: it restarted between the two handshakes.
      return;
    }
    state.bulk.open();
    const link = new OutboundLink(hello, state.control, state.bulk, this.host.clock);
    this.state = { kind: "up", link };
    this.lost = null;
    this.backoff.reset();
    this.host.onUp(link);
  }

  private onClose(end: ChannelEnd): void {
    if (end.kind === "refused") {
      for (const channel of this.channels()) channel.destroy();
      this.onRefusal(end.reason);
      return;
    }
    if (this.state.kind === "control" && end.kind === "down" && end.reason === "protocol") {
      this.host.refusals.note(this.address, "what answers there is no Varve broker");
    }
    const { lost } = this;
    if (lost !== null && end.kind === "link" && end.reason === "refused") {
      this.lost = null;
      this.host.onDown(lost, "refused"); // E3
      if (this.state.kind === "stopped") return;
    }
    this.lose(downReasonOf(end), this.backoff.nextDelayMs());
  }

  /** The attempt or the link failed: releases what it held, tells who must know, dials again after the delay. */
  private lose(reason: LinkDownReason, delayMs: number): void {
    const { state } = this;
    for (const channel of this.channels()) channel.destroy();
    this.wait(delayMs);
    if (state.kind === "bulk") this.host.release(state.peer, this);
    if (state.kind !== "up") return;
    const { link } = state;
    this.lost = link.peer;
    link.close(`the link is down (${reason})`);
    this.host.release(link.peer, this);
    this.host.onDown(link.peer, reason);
  }

  private onRefusal(reason: RefusalReason): void {
    const { state } = this;
    if (state.kind === "bulk") this.host.release(state.peer, this);
    if (reason.code === Refusal.self) {
      this.stepAside(this.host.hello());
      return;
    }
    this.host.refusals.note(this.address, reason.text);
    this.wait(this.backoff.nextDelayMs());
  }

  private stepAside(peer: PeerHello): void {
    this.backoff.reset();
    const timer = this.host.clock.setTimer(PEER_LIMITS.selfRedialMs, () => this.dial());
    this.state = { kind: "aside", peer, timer };
  }

  private wait(delayMs: number): void {
    const timer = this.host.clock.setTimer(delayMs, () => this.dial());
    this.state = { kind: "waiting", timer };
  }

  private leave(why: string, reason: LinkDownReason | null): void {
    const { state } = this;
    this.state = { kind: "stopped" };
    if (state.kind === "waiting" || state.kind === "aside") state.timer.cancel();
    if (state.kind === "bulk") this.host.release(state.peer, this);
    if (state.kind !== "up") return;
    state.link.close(why);
    this.host.release(state.link.peer, this);
    if (reason !== null) this.host.onDown(state.link.peer, reason);
  }
}
