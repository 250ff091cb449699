/**
 * channel.ts: one connection that speaks frames: handshake, liveness and the one way it ends.
 *
 * States: greeting -> open -> closed; greeting -> closed.
 * Invariants:
 *   H1  no frame but HELLO or REFUSED is accepted while greeting, none at all once closed
 *   H2  `onClose` is called exactly once for a channel that its owner did not close
 *   H3  whatever bytes arrive, the worst is a close with reason `protocol`
 *   H4  liveness counts silent ticks, not time: a process that was itself asleep does not blame its peers
 */
import {
  type Clock,
  isVarveError,
  type LinkCloseReason,
  type LinkConnection,
  type Logger,
  type TimerHandle,
} from "@varve/base";
import type { Lane, LinkDownReason, PeerHello } from "./api.js";
import { PEER_LIMITS } from "./limits.js";
import { type Frame, FrameType } from "./wire/frame.js";
import { FrameReader } from "./wire/frame-reader.js";
import { decodeHello, encodeHello, type LaneHello, Refusal, type RefusalReason } from "./wire/hello.js";
import { Outbox, type TurnEnd } from "./wire/outbox.js";

/** Why a channel ended, as its owner needs to know. */
export type ChannelEnd =
  | { readonly kind: "link"; readonly reason: LinkCloseReason }
  | { readonly kind: "down"; readonly reason: LinkDownReason }
  | { readonly kind: "refused"; readonly reason: RefusalReason };

export interface ChannelHandlers {
  /** The other side's hello. The owner answers with `open` or `refuse`, or closes. */
  readonly onHello: (hello: LaneHello) => void;
  /** A frame that is neither handshake nor liveness. Returns what is wrong with it, or null. */
  readonly onFrame: (frame: Frame) => string | null;
  readonly onDrain: () => void;
  readonly onClose: (end: ChannelEnd) => void;
}

export interface ChannelParts {
  readonly connection: LinkConnection;
  readonly lane: Lane;
  /** Whether this side dialed: it speaks first and pings. */
  readonly dialed: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly turnEnd: TurnEnd;
}

const NO_PARTS: readonly Uint8Array[] = [];

/** The reason as peers are told it: whatever ends a link without a goodbye is a reset to its users. */
export function downReasonOf(end: ChannelEnd): LinkDownReason {
  if (end.kind === "down") return end.reason;
  if (end.kind === "refused") return "protocol";
  return end.reason === "timeout" ? "timeout" : "reset";
}

export class Channel {
  readonly outbox: Outbox;
  readonly remoteAddress: string;
  private readonly connection: LinkConnection;
  private readonly parts: ChannelParts;
  private readonly handlers: ChannelHandlers;
  private readonly reader: FrameReader;
  private readonly greetingTimer: TimerHandle;
  private state: "greeting" | "open" | "closed" = "greeting";
  private heard = false;
  private said = false;
  private silentTicks = 0;
  /** The other side said that it closes in order. */
  private goodbye = false;
  private onGone: (() => void) | null = null;

  constructor(parts: ChannelParts, handlers: ChannelHandlers) {
    this.parts = parts;
    this.handlers = handlers;
    this.connection = parts.connection;
    this.remoteAddress = parts.connection.remoteAddress;
    // The lane of an accepted connection is known only after its hello: it answers, and replies are covered by size.
    this.outbox = new Outbox(parts.connection, parts.turnEnd, parts.dialed && parts.lane === "control");
    this.reader = new FrameReader(PEER_LIMITS.helloBytesMax, (frame) => this.onFrame(frame));
    this.greetingTimer = parts.clock.setTimer(PEER_LIMITS.handshakeMs, () => {
      this.end({ kind: "link", reason: "timeout" });
    });
    parts.connection.start({
      onData: (chunk) => this.onData(chunk),
      onDrain: () => {
        if (this.state === "open") this.handlers.onDrain();
      },
      onClose: (reason) => {
        this.onGone?.();
        this.end(this.goodbye ? { kind: "down", reason: "closed" } : { kind: "link", reason });
      },
    });
  }

  get isOpen(): boolean {
    return this.state === "open";
  }

  /** Bytes queued here or below and not yet taken by the kernel. */
  get queuedBytes(): number {
    return this.outbox.queuedBytes;
  }

  /** Says hello. */
  greet(own: PeerHello): void {
    this.send(FrameType.hello, 0, 0, 0, [encodeHello(own, this.parts.lane)]);
  }

  /** Answers the hello of a dialer, on the lane that it named. */
  greetBack(own: PeerHello, lane: Lane): void {
    this.send(FrameType.hello, 0, 0, 0, [encodeHello(own, lane)]);
  }

  /** Says hello again in the middle of a link. */
  announce(own: PeerHello): void {
    if (this.state === "open") this.send(FrameType.announce, 0, 0, 0, [encodeHello(own, this.parts.lane)]);
  }

  /** The handshake succeeded: frames flow from now on. */
  open(): void {
    this.state = "open";
    this.greetingTimer.cancel();
    this.reader.payloadBytesMax = PEER_LIMITS.frameBytesMax;
  }

  /** Answers a hello with the reason why not, and closes. */
  refuse(reason: RefusalReason): void {
    const text = new TextEncoder().encode(reason.text).subarray(0, PEER_LIMITS.helloBytesMax);
    this.send(FrameType.refused, 0, 0, reason.code, [text]);
    this.endConnection();
  }

  send(type: number, kind: number, id: number, argument: number, parts: readonly Uint8Array[] = NO_PARTS): void {
    this.said = true;
    this.outbox.push(type, kind, id, argument, parts);
  }

  /** Looks whether the other side lives; called every `tickMs`. */
  tick(): void {
    if (this.state !== "open") return;
    this.silentTicks = this.heard ? 0 : this.silentTicks + 1;
    // The accepting side waits one tick longer: it does not ping, and learns from the dialer's ping that all is well.
    if (this.silentTicks >= PEER_LIMITS.silentTicksMax + (this.parts.dialed ? 0 : 1)) {
      this.end({ kind: "down", reason: "timeout" });
      return;
    }
    this.beat();
    this.heard = false;
    this.said = false;
  }

  /** Says goodbye and closes. Resolves once the other side has heard it, or after `closeMs`. */
  closeInOrder(): Promise<void> {
    if (this.state !== "open") {
      this.destroy();
      return Promise.resolve();
    }
    this.send(FrameType.goodbye, 0, 0, 0);
    this.endConnection();
    return new Promise((resolve) => {
      this.onGone = resolve;
    });
  }

  /** Closes at once and without a word; the owner is not called back. */
  destroy(): void {
    if (this.state === "closed") {
      this.connection.destroy();
      return;
    }
    this.retire();
    this.connection.destroy();
  }

  /** Closes because of what the other side sent. */
  fail(problem: string): void {
    if (this.state === "closed") return;
    const { logger } = this.parts;
    const fields = { address: this.remoteAddress, problem };
    // Anyone can send nonsense to a port; only from a peer it is worth a line.
    if (this.state === "open") logger.warn(fields, "peer link: protocol violated, closing");
    else logger.debug(fields, "peer link: no handshake, closing");
    this.end({ kind: "down", reason: "protocol" });
  }

  /**
   * The dialer pings unless both sides spoke. The other side, besides answering pings, tells the dialer once a tick that its bytes
   * arrive: a ping may stand behind megabytes on a slow path.
   */
  private beat(): void {
    if (this.parts.dialed) {
      if (!this.heard || !this.said) this.send(FrameType.ping, 0, 0, 0);
    } else if (this.heard && !this.said) {
      this.send(FrameType.pong, 0, 0, 0);
    }
  }

  private onData(chunk: Uint8Array): void {
    this.heard = true;
    try {
      const problem = this.reader.feed(chunk);
      if (problem !== null) this.fail(problem);
    } catch (thrown) {
      // A user that cannot decode a message says so with a typed error; anything else is a bug and must be seen.
      if (!isVarveError(thrown)) throw thrown;
      this.fail(thrown.message);
    }
  }

  private onFrame(frame: Frame): void {
    switch (frame.type) {
      case FrameType.ping:
        if (this.state === "open") this.send(FrameType.pong, 0, 0, 0);
        else this.fail("ping before hello");
        return;
      case FrameType.pong:
        return;
      case FrameType.goodbye:
        this.goodbye = true;
        return;
      case FrameType.hello:
        this.onHello(frame.payload);
        return;
      case FrameType.refused:
        this.onRefused(frame);
        return;
      default: {
        const problem = this.state === "open" ? this.handlers.onFrame(frame) : "frame before hello";
        if (problem !== null) this.fail(problem);
      }
    }
  }

  private onHello(payload: Uint8Array): void {
    if (this.state !== "greeting") {
      this.fail("second hello");
      return;
    }
    const hello = decodeHello(payload);
    if (typeof hello !== "string") this.handlers.onHello(hello);
    else if (this.parts.dialed) this.fail(hello);
    else this.refuse({ code: Refusal.malformed, text: hello });
  }

  private onRefused(frame: Frame): void {
    if (this.state !== "greeting" || !this.parts.dialed) {
      this.fail("refusal after hello");
      return;
    }
    const text = new TextDecoder().decode(frame.payload);
    this.end({ kind: "refused", reason: { code: frame.argument, text } });
  }

  private end(end: ChannelEnd): void {
    if (this.state === "closed") return;
    this.destroy();
    this.handlers.onClose(end);
  }

  /** Lets the last words leave, but waits for nobody who does not take them. */
  private endConnection(): void {
    this.outbox.flush();
    this.connection.end();
    this.retire();
    this.parts.clock.setTimer(PEER_LIMITS.closeMs, () => {
      this.connection.destroy();
      this.onGone?.();
    });
  }

  private retire(): void {
    this.state = "closed";
    this.greetingTimer.cancel();
    this.reader.stop();
    this.outbox.close();
  }
}
