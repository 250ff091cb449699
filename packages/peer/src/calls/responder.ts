/**
 * responder.ts: the calls of the other side that this side's handlers work on, for one accepted connection.
 *
 * Invariants:
 *   K4  each call gets at most one answer; none after it was cancelled
 *   K5  handlers work on at most `callsMax` calls and `callBytesMax` payload bytes at once, and on none while the caller leaves
 *       `queueBytesMax` of answers untaken; what exceeds that is refused unrun. A call counts until its handler has settled,
 *       cancelled or not
 */
import type { BrokerId, Clock, TimerHandle } from "@varve/base";
import type { CallHandler } from "../api.js";
import type { Channel } from "../channel.js";
import { PeerFailure } from "../errors.js";
import { PEER_LIMITS } from "../limits.js";
import { type Frame, FrameType } from "../wire/frame.js";
import { FailureCode } from "./failure-code.js";

/** What the handler sees of its call; the AbortSignal is made only if it looks. */
class CallContext {
  readonly deadlineMs: number;
  private controller: AbortController | null = null;
  private reason: Error | null = null;

  constructor(deadlineMs: number) {
    this.deadlineMs = deadlineMs;
  }

  get signal(): AbortSignal {
    if (this.controller === null) {
      this.controller = new AbortController();
      if (this.reason !== null) this.controller.abort(this.reason);
    }
    return this.controller.signal;
  }

  abort(why: string): void {
    this.reason ??= new Error(why);
    this.controller?.abort(this.reason);
  }
}

interface RunningCall {
  readonly context: CallContext;
  readonly timer: TimerHandle;
  readonly payloadBytes: number;
}

export interface ResponderParts {
  readonly peerId: BrokerId;
  readonly channel: Channel;
  readonly clock: Clock;
  readonly handlers: ReadonlyMap<number, CallHandler>;
  readonly encodeError: ((thrown: unknown) => Uint8Array) | undefined;
  /** Answers that may wait for the caller to take them. */
  readonly queueBytesMax: number;
}

export class Responder {
  private readonly parts: ResponderParts;
  /** Calls that still want an answer. */
  private readonly running = new Map<number, RunningCall>();
  private handledCount = 0;
  private handledBytes = 0;

  constructor(parts: ResponderParts) {
    this.parts = parts;
  }

  /** Returns what is wrong with the frame, or null. */
  onCall(frame: Frame): string | null {
    const { id, kind: method, payload } = frame;
    if (this.running.has(id)) return `call ${id} is already in flight`;
    const handler = this.parts.handlers.get(method);
    if (handler === undefined) {
      this.fail(id, FailureCode.noHandler, `method ${method} has no handler`);
      return null;
    }
    if (this.isBusy(payload.length)) this.fail(id, FailureCode.overloaded, "");
    else this.run(handler, id, frame.argument, payload);
    return null;
  }

  onCancel(frame: Frame): void {
    this.take(frame.id)?.context.abort("the caller cancelled the call");
  }

  /** The connection is gone: nobody waits for the answers. */
  close(): void {
    for (const id of [...this.running.keys()]) this.take(id)?.context.abort("the link to the caller is lost");
  }

  private isBusy(payloadBytes: number): boolean {
    if (this.handledCount >= PEER_LIMITS.callsMax) return true;
    if (this.parts.channel.queuedBytes > this.parts.queueBytesMax) return true;
    return this.handledCount > 0 && this.handledBytes + payloadBytes > PEER_LIMITS.callBytesMax;
  }

  private run(handler: CallHandler, id: number, timeoutMs: number, payload: Uint8Array): void {
    const { clock, peerId } = this.parts;
    const context = new CallContext(clock.monotonicMs() + timeoutMs);
    const timer = clock.setTimer(Math.min(timeoutMs, PEER_LIMITS.timeoutMsMax), () => {
      if (this.take(id) === null) return;
      context.abort("the caller's deadline has passed");
      this.fail(id, FailureCode.deadline, "");
    });
    const call: RunningCall = { context, timer, payloadBytes: payload.length };
    this.running.set(id, call);
    this.handledCount++;
    this.handledBytes += call.payloadBytes;
    const work = new Promise<Uint8Array>((resolve) => {
      resolve(handler(peerId, payload, context));
    });
    work.then(
      (reply) => this.settle(id, call, () => this.reply(id, reply)),
      (thrown: unknown) => this.settle(id, call, () => this.reject(id, thrown)),
    );
  }

  private settle(id: number, call: RunningCall, answer: () => void): void {
    this.handledCount--;
    this.handledBytes -= call.payloadBytes;
    // The id may name a newer call by now if this one was cancelled.
    if (this.running.get(id) !== call) return;
    this.take(id);
    answer();
  }

  private reply(id: number, reply: Uint8Array): void {
    if (reply.length > PEER_LIMITS.frameBytesMax) {
      this.fail(
        id,
        FailureCode.internal,
        `the reply has ${reply.length} bytes, at most ${PEER_LIMITS.frameBytesMax} fit`,
      );
      return;
    }
    this.parts.channel.send(FrameType.reply, 0, id, 0, [reply]);
  }

  private reject(id: number, thrown: unknown): void {
    const { channel, encodeError } = this.parts;
    const bytes = thrown instanceof PeerFailure ? thrown.bytes : encodeError?.(thrown);
    if (bytes === undefined)
      this.fail(id, FailureCode.internal, thrown instanceof Error ? thrown.message : String(thrown));
    else channel.send(FrameType.failure, 0, id, FailureCode.handler, [bytes]);
  }

  private fail(id: number, code: number, text: string): void {
    this.parts.channel.send(FrameType.failure, 0, id, code, [new TextEncoder().encode(text)]);
  }

  private take(id: number): RunningCall | null {
    const call = this.running.get(id);
    if (call === undefined) return null;
    this.running.delete(id);
    call.timer.cancel();
    return call;
  }
}
