/**
 * outbound-link.ts: the two lanes to one peer that this side dialed, up from the end of both handshakes until either breaks.
 */
import type { Clock } from "@varve/base";
import type { Lane, PeerHello, PeerStream } from "./api.js";
import { Caller, type CallOptions } from "./calls/caller.js";
import type { Channel } from "./channel.js";
import { StreamTable } from "./streams/stream-table.js";
import { type Frame, FrameType } from "./wire/frame.js";

export class OutboundLink {
  /** The peer's latest hello. */
  peer: PeerHello;
  readonly control: Channel;
  readonly bulk: Channel;
  private readonly caller: Caller;
  private readonly streams: StreamTable;

  constructor(peer: PeerHello, control: Channel, bulk: Channel, clock: Clock) {
    this.peer = peer;
    this.control = control;
    this.bulk = bulk;
    this.caller = new Caller(peer.brokerId, bulk, clock);
    this.streams = new StreamTable(peer.brokerId, bulk);
  }

  channel(lane: Lane): Channel {
    return lane === "control" ? this.control : this.bulk;
  }

  call(method: number, payload: Uint8Array, options: CallOptions): Promise<Uint8Array> {
    return this.caller.call(method, payload, options);
  }

  openStream(method: number, header: Uint8Array, signal: AbortSignal | undefined): PeerStream {
    return this.streams.open(method, header, signal);
  }

  /** A frame of the bulk lane. Returns what is wrong with it, or null. */
  onBulkFrame(frame: Frame): string | null {
    switch (frame.type) {
      case FrameType.reply:
        this.caller.onReply(frame);
        return null;
      case FrameType.failure:
        this.caller.onFailure(frame);
        return null;
      case FrameType.data:
      case FrameType.credit:
      case FrameType.end:
      case FrameType.abort:
        return this.streams.onFrame(frame);
      default:
        return `frame type ${frame.type} on a dialed connection`;
    }
  }

  onBulkDrain(): void {
    this.streams.onDrain();
  }

  /** The link is gone: everything in flight fails. */
  close(why: string): void {
    this.caller.close(why);
    this.streams.close(why);
  }
}
