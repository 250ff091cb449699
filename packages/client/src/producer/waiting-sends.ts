/**
 * waiting-sends.ts: records that found no room in the buffer, or whose topic is not known yet, in the order of their sends.
 *
 * Bound: WAITING_MAX records; a send beyond it is refused. Each waits at most the delivery timeout.
 */
import { onAbort, VarveError } from "@varve/base";
import { aborted } from "../errors.js";
import type { EncodedRecord } from "./encoded-record.js";
import type { SendResult } from "./options.js";

/** Sends that wait; who does not await them cannot fill the memory without end. */
export const WAITING_MAX = 1_000_000;

export interface WaitingSend {
  readonly topic: string;
  readonly record: EncodedRecord;
  readonly deadlineAtMs: number;
  readonly resolve: (result: SendResult | Promise<SendResult>) => void;
  readonly reject: (error: unknown) => void;
  gone: boolean;
  /** Takes its callback back from the signal. */
  forgetSignal: () => void;
}

export class WaitingSends {
  private readonly onDropped: (send: WaitingSend) => void;
  private sends: WaitingSend[] = [];
  /** Index of the first one; the array is cut when half of it is used up. */
  private head = 0;
  private live = 0;

  /** `onDropped` is told of sends that leave without having been taken. */
  constructor(onDropped: (send: WaitingSend) => void = () => {}) {
    this.onDropped = onDropped;
  }

  get size(): number {
    return this.live;
  }

  add(
    topic: string,
    record: EncodedRecord,
    deadlineAtMs: number,
    signal: AbortSignal | undefined,
  ): Promise<SendResult> {
    if (this.live >= WAITING_MAX) {
      return Promise.reject(
        new VarveError("BROKER_OVERLOADED", {
          message: `${WAITING_MAX} sends wait for room in the producer's buffer already; nothing was written; await some of them first`,
          details: { waitingMax: WAITING_MAX },
        }),
      );
    }
    return new Promise((resolve, reject) => {
      const send: WaitingSend = { topic, record, deadlineAtMs, resolve, reject, gone: false, forgetSignal: () => {} };
      this.live++;
      this.sends.push(send);
      if (signal === undefined) return;
      send.forgetSignal = onAbort(signal, () =>
        this.remove(send, aborted(`send to ${topic}`, "NOT_APPLIED", signal.reason)),
      );
    });
  }

  /** The first one, or null. */
  peek(): WaitingSend | null {
    for (;;) {
      const send = this.sends[this.head];
      if (send === undefined || !send.gone) return send ?? null;
      this.advance();
    }
  }

  /** Takes the first one, which `peek` answered. */
  shift(send: WaitingSend): void {
    send.gone = true;
    send.forgetSignal();
    this.live--;
    this.advance();
  }

  /** Rejects those whose time is over, or all. */
  expire(nowMs: number, error: (send: WaitingSend) => VarveError): void {
    for (let send = this.peek(); send !== null && send.deadlineAtMs <= nowMs; send = this.peek()) {
      this.shift(send);
      send.reject(error(send));
      this.onDropped(send);
    }
  }

  private remove(send: WaitingSend, error: VarveError): void {
    if (send.gone) return;
    send.gone = true;
    this.live--;
    send.reject(error);
    this.onDropped(send);
  }

  private advance(): void {
    this.head++;
    if (this.head * 2 < this.sends.length) return;
    this.sends = this.sends.slice(this.head);
    this.head = 0;
  }
}
