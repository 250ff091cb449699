/**
 * caller.ts: the calls that this side has in flight on one bulk connection.
 *
 * Invariants:
 *   K1  every call settles exactly once: reply, failure, deadline, abort or the end of the connection
 *   K2  NOT_APPLIED is said only of a call that never left this process or that the other side says it did not run
 *   K3  at most `callsMax` calls are in flight
 */
import { type BrokerId, type Clock, type Effect, onAbort, type TimerHandle, VarveError } from "@varve/base";
import type { Channel } from "../channel.js";
import { PeerFailure, peerOverloaded, peerUnreachable } from "../errors.js";
import { PEER_LIMITS } from "../limits.js";
import { type Frame, FrameType } from "../wire/frame.js";
import { FailureCode } from "./failure-code.js";

export interface CallOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

interface PendingCall {
  readonly method: number;
  readonly timeoutMs: number;
  /** The outbox's turn in which the frame was queued; it has left when the outbox is at a later one. */
  readonly turn: number;
  readonly resolve: (reply: Uint8Array) => void;
  readonly reject: (error: Error) => void;
  timer: TimerHandle | null;
  unlisten: (() => void) | null;
}

const ID_END = 2 ** 32;

export class Caller {
  private readonly peerId: BrokerId;
  private readonly channel: Channel;
  private readonly clock: Clock;
  private readonly pending = new Map<number, PendingCall>();
  private nextId = 1;

  constructor(peerId: BrokerId, channel: Channel, clock: Clock) {
    this.peerId = peerId;
    this.channel = channel;
    this.clock = clock;
  }

  call(method: number, payload: Uint8Array, options: CallOptions): Promise<Uint8Array> {
    const { signal } = options;
    const timeoutMs = Math.max(0, Math.min(Math.ceil(options.timeoutMs), PEER_LIMITS.timeoutMsMax));
    if (signal?.aborted) return Promise.reject(this.aborted("NOT_APPLIED", signal));
    if (this.pending.size >= PEER_LIMITS.callsMax) {
      return Promise.reject(peerOverloaded(this.peerId, `${this.pending.size} calls are in flight`));
    }
    return new Promise((resolve, reject) => {
      const id = this.mintId();
      const { turn } = this.channel.outbox;
      const call: PendingCall = { method, timeoutMs, turn, resolve, reject, timer: null, unlisten: null };
      this.pending.set(id, call);
      this.channel.send(FrameType.call, method, id, timeoutMs, [payload]);
      call.timer = this.clock.setTimer(timeoutMs, () => this.expire(id));
      if (signal !== undefined) call.unlisten = onAbort(signal, () => this.abort(id, signal));
    });
  }

  onReply(frame: Frame): void {
    this.take(frame.id)?.resolve(frame.payload);
  }

  onFailure(frame: Frame): void {
    const call = this.take(frame.id);
    if (call === null) return;
    call.reject(this.failureOf(call, frame.argument, frame.payload));
  }

  /** The connection is gone: every call fails. */
  close(why: string): void {
    for (const id of [...this.pending.keys()]) {
      const call = this.take(id);
      if (call !== null) call.reject(peerUnreachable(this.peerId, why, this.effectOf(call)));
    }
  }

  private failureOf(call: PendingCall, code: number, payload: Uint8Array): Error {
    switch (code) {
      case FailureCode.handler:
        return new PeerFailure(payload);
      case FailureCode.overloaded:
        return peerOverloaded(this.peerId, "the peer handles too many calls");
      case FailureCode.deadline:
        return this.timedOut(call, "UNKNOWN");
      default: {
        const text = new TextDecoder().decode(payload);
        const effect = code === FailureCode.noHandler ? "NOT_APPLIED" : "UNKNOWN";
        const message = `broker ${this.peerId} failed call ${call.method}: ${text}`;
        return new VarveError("INTERNAL", { message, effect });
      }
    }
  }

  private expire(id: number): void {
    const call = this.take(id);
    if (call === null) return;
    this.channel.send(FrameType.cancel, 0, id, 0);
    call.reject(this.timedOut(call, this.effectOf(call)));
  }

  private abort(id: number, signal: AbortSignal): void {
    const call = this.take(id);
    if (call === null) return;
    this.channel.send(FrameType.cancel, 0, id, 0);
    call.reject(this.aborted("UNKNOWN", signal));
  }

  private effectOf(call: PendingCall): Effect {
    return this.channel.outbox.turn > call.turn ? "UNKNOWN" : "NOT_APPLIED";
  }

  private timedOut(call: PendingCall, effect: Effect): VarveError {
    return new VarveError("TIMEOUT", {
      message: `broker ${this.peerId} did not answer call ${call.method} within ${call.timeoutMs} ms`,
      details: { brokerId: this.peerId, timeoutMs: call.timeoutMs },
      effect,
    });
  }

  private aborted(effect: Effect, signal: AbortSignal): VarveError {
    const message = `call to broker ${this.peerId} was aborted`;
    return new VarveError("ABORTED", { message, effect, cause: signal.reason });
  }

  private take(id: number): PendingCall | null {
    const call = this.pending.get(id);
    if (call === undefined) return null;
    this.pending.delete(id);
    call.timer?.cancel();
    call.unlisten?.();
    return call;
  }

  private mintId(): number {
    while (this.pending.has(this.nextId)) this.nextId = (this.nextId + 1) % ID_END;
    const id = this.nextId;
    this.nextId = (this.nextId + 1) % ID_END;
    return id;
  }
}
