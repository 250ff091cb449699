/**
 * inbound.ts: one connection that a peer dialed: its messages, calls and streams come in here, our answers go back on it.
 */
import type { Clock, LinkConnection, Logger } from "@varve/base";
import type { CallHandler, Lane, PeerHello, StreamHandler } from "./api.js";
import { Responder } from "./calls/responder.js";
import { Channel } from "./channel.js";
import type { RefusalLog } from "./refusal-log.js";
import { StreamTable } from "./streams/stream-table.js";
import { type Frame, FrameType } from "./wire/frame.js";
import { decodeAnnouncement, type LaneHello, Refusal, refusalOf } from "./wire/hello.js";
import type { TurnEnd } from "./wire/outbox.js";

/** The hub, as an accepted connection needs it. */
export interface InboundHost {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly turnEnd: TurnEnd;
  readonly refusals: RefusalLog;
  readonly calls: ReadonlyMap<number, CallHandler>;
  readonly streams: ReadonlyMap<number, StreamHandler>;
  readonly encodeError: ((thrown: unknown) => Uint8Array) | undefined;
  /** Answers that may wait for a peer that does not take them; above it its calls are refused unrun. */
  readonly queueBytesMax: number;
  hello(): PeerHello;
  /** Whether the peer may come in: false when another live directory has its broker id. Drops what is left of its earlier boots. */
  admit(peer: PeerHello): boolean;
  onMessage(from: PeerHello, lane: Lane, kind: number, payload: Uint8Array): void;
  onGone(inbound: Inbound): void;
}

type State =
  | { readonly kind: "greeting" }
  | {
      readonly kind: "open";
      readonly lane: Lane;
      peer: PeerHello;
      readonly responder: Responder;
      readonly streams: StreamTable;
    };

/** The host of `host:port`: an accepted connection's port says nothing about who it is. */
function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(":"));
}

export class Inbound {
  private readonly host: InboundHost;
  private readonly channel: Channel;
  private state: State = { kind: "greeting" };

  constructor(connection: LinkConnection, host: InboundHost) {
    this.host = host;
    const { clock, logger, turnEnd } = host;
    this.channel = new Channel(
      // The lane is known only after the hello; nothing depends on it before.
      { connection, lane: "bulk", dialed: false, clock, logger, turnEnd },
      {
        onHello: (hello) => this.onHello(hello),
        onFrame: (frame) => this.onFrame(frame),
        onDrain: () => this.onDrain(),
        onClose: () => {
          this.leave();
          host.onGone(this);
        },
      },
    );
  }

  /** Who dialed, once it has said so. */
  get peer(): PeerHello | null {
    return this.state.kind === "open" ? this.state.peer : null;
  }

  announce(): void {
    if (this.state.kind === "open" && this.state.lane === "control") this.channel.announce(this.host.hello());
  }

  tick(): void {
    this.channel.tick();
  }

  async stop(): Promise<void> {
    this.leave();
    await this.channel.closeInOrder();
  }

  destroy(): void {
    this.leave();
    this.channel.destroy();
  }

  private onHello({ lane, hello }: LaneHello): void {
    const { host, channel } = this;
    const own = host.hello();
    const caller = `${hostOf(channel.remoteAddress)} (broker ${hello.brokerId})`;
    const text = `broker ${hello.brokerId} is up with another directory`;
    const refusal = refusalOf(own, hello) ?? (host.admit(hello) ? null : { code: Refusal.identity, text });
    if (refusal !== null) {
      if (refusal.code !== Refusal.self) host.refusals.note(caller, refusal.text);
      channel.refuse(refusal);
      host.onGone(this);
      return;
    }
    host.refusals.clear(caller);
    const { brokerId } = hello;
    const { clock, calls, encodeError, queueBytesMax } = host;
    this.state = {
      kind: "open",
      lane,
      peer: hello,
      responder: new Responder({ peerId: brokerId, channel, clock, handlers: calls, encodeError, queueBytesMax }),
      streams: new StreamTable(brokerId, channel),
    };
    channel.open();
    channel.greetBack(own, lane);
  }

  private onFrame(frame: Frame): string | null {
    const { state, host } = this;
    if (state.kind !== "open") return "frame before hello";
    if (frame.type === FrameType.message) {
      host.onMessage(state.peer, state.lane, frame.kind, frame.payload);
      return null;
    }
    if (frame.type === FrameType.announce) {
      const peer = decodeAnnouncement(frame.payload, state.peer);
      if (typeof peer === "string") return peer;
      state.peer = peer;
      return refusalOf(host.hello(), peer)?.text ?? null;
    }
    if (state.lane !== "bulk") return `frame type ${frame.type} on the control lane`;
    return this.onBulkFrame(state.responder, state.streams, frame);
  }

  private onBulkFrame(responder: Responder, streams: StreamTable, frame: Frame): string | null {
    switch (frame.type) {
      case FrameType.call:
        return responder.onCall(frame);
      case FrameType.cancel:
        responder.onCancel(frame);
        return null;
      case FrameType.open:
        return streams.accept(frame, this.host.streams);
      case FrameType.data:
      case FrameType.credit:
      case FrameType.end:
      case FrameType.abort:
        return streams.onFrame(frame);
      default:
        return `frame type ${frame.type} on an accepted connection`;
    }
  }

  private onDrain(): void {
    if (this.state.kind === "open") this.state.streams.onDrain();
  }

  private leave(): void {
    if (this.state.kind !== "open") return;
    this.state.responder.close();
    this.state.streams.close("the link is down");
  }
}
