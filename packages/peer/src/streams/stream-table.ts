/**
 * stream-table.ts: the open streams of one bulk connection. The side that dialed opens them; both sides keep such a table.
 *
 * Invariants:
 *   T5  at most `streamsMax` streams are open on a connection; one more is refused by the opener and a violation to the accepter
 *   T6  frames of a stream that is over are dropped: they were on their way when it ended
 */
import { type BrokerId, VarveError } from "@varve/base";
import type { PeerStream, StreamHandler } from "../api.js";
import type { Channel } from "../channel.js";
import { peerOverloaded } from "../errors.js";
import { PEER_LIMITS } from "../limits.js";
import { type Frame, FrameType } from "../wire/frame.js";
import { failedStream } from "./failed-stream.js";
import { StreamEnd } from "./stream-end.js";

const ID_END = 2 ** 32;

interface OpenStream {
  readonly end: StreamEnd;
  readonly turn: number;
}

export class StreamTable {
  private readonly peerId: BrokerId;
  private readonly channel: Channel;
  private readonly streams = new Map<number, OpenStream>();
  private nextId = 1;

  constructor(peerId: BrokerId, channel: Channel) {
    this.peerId = peerId;
    this.channel = channel;
  }

  open(method: number, header: Uint8Array, signal: AbortSignal | undefined): PeerStream {
    if (signal?.aborted) return failedStream(this.aborted(signal, "NOT_APPLIED"));
    if (this.streams.size >= PEER_LIMITS.streamsMax) {
      return failedStream(peerOverloaded(this.peerId, `${this.streams.size} streams are open`));
    }
    const id = this.mintId();
    const onAbort = (): void => {
      if (signal !== undefined) end.cancel(this.aborted(signal, "UNKNOWN"));
    };
    const end = this.add(id, () => signal?.removeEventListener("abort", onAbort));
    signal?.addEventListener("abort", onAbort, { once: true });
    this.channel.send(FrameType.open, method, id, 0, [header]);
    return end;
  }

  /** The other side opens a stream. Returns what is wrong with that, or null. */
  accept(frame: Frame, handlers: ReadonlyMap<number, StreamHandler>): string | null {
    const { id, kind: method, payload } = frame;
    if (this.streams.has(id)) return `stream ${id} is already open`;
    if (this.streams.size >= PEER_LIMITS.streamsMax) return `more than ${PEER_LIMITS.streamsMax} streams`;
    const handler = handlers.get(method);
    if (handler === undefined) {
      this.channel.send(FrameType.abort, 0, id, 0);
      return null;
    }
    const controller = new AbortController();
    const end = this.add(id, (error) => {
      if (error !== null) controller.abort(error);
    });
    handler(this.peerId, payload, end, { signal: controller.signal });
    return null;
  }

  /** Returns what is wrong with the frame, or null. */
  onFrame(frame: Frame): string | null {
    const stream = this.streams.get(frame.id)?.end;
    if (stream === undefined) return null; // T6
    switch (frame.type) {
      case FrameType.data:
        return stream.onData(frame.payload);
      case FrameType.credit:
        return stream.onCredit(frame.argument);
      case FrameType.end:
        stream.onEnd();
        return null;
      case FrameType.abort:
        stream.onAbort(frame.payload);
        return null;
      default:
        return `frame type ${frame.type} is none of a stream`;
    }
  }

  /** The connection has room again. */
  onDrain(): void {
    for (const { end } of this.streams.values()) end.pump();
  }

  /** The connection is gone. */
  close(why: string): void {
    for (const { end, turn } of [...this.streams.values()]) {
      end.onLinkLost(why, this.channel.outbox.turn > turn ? "UNKNOWN" : "NOT_APPLIED");
    }
  }

  private add(id: number, onOver: (error: Error | null) => void): StreamEnd {
    const end = new StreamEnd({
      id,
      peerId: this.peerId,
      channel: this.channel,
      onOver: (error) => {
        this.streams.delete(id);
        onOver(error);
      },
    });
    this.streams.set(id, { end, turn: this.channel.outbox.turn });
    return end;
  }

  private aborted(signal: AbortSignal, effect: "NOT_APPLIED" | "UNKNOWN"): VarveError {
    const message = `stream to broker ${this.peerId} was aborted`;
    return new VarveError("ABORTED", { message, effect, cause: signal.reason });
  }

  private mintId(): number {
    while (this.streams.has(this.nextId)) this.nextId = (this.nextId + 1) % ID_END;
    const id = this.nextId;
    this.nextId = (this.nextId + 1) % ID_END;
    return id;
  }
}
