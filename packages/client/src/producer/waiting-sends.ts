/**
 * waiting-sends.ts: records that found no room in the buffer, or whose topic is not known yet, in the order of their sends.
 *
 * Bound: WAITING_MAX records and WAITING_BYTES_MAX bytes; a send beyond is refused. Each waits until its deadline.
 */
import { MIB, onAbort, VarveError } from "@varve/base";
import { aborted } from "../errors.js";
import type { EncodedRecord } from "./encoded-record.js";
import type { SendResult } from "./options.js";
import type { SendTerms } from "./send-terms.js";

/** Sends that wait; who does not await them cannot fill the memory without end. */
export const WAITING_MAX = 1_000_000;
/** The same in bytes of their records. */
export const WAITING_BYTES_MAX = 1024 * MIB;
/** Sends that were aborted while they waited are cleared away when there are more of them than of others, and so many at least. */
const GONE_MAX = 1_024;

export interface WaitingSend {
  readonly topic: string;
  readonly record: EncodedRecord;
  readonly terms: SendTerms;
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
  private liveBytes = 0;

  /** `onDropped` is told of sends that leave without having been taken. */
  constructor(onDropped: (send: WaitingSend) => void) {
    this.onDropped = onDropped;
  }

  get size(): number {
    return this.live;
  }

  /** Whether a record may wait, too. @throws VarveError BROKER_OVERLOADED. */
  checkRoom({ bufferedBytes }: EncodedRecord): void {
    if (this.live < WAITING_MAX && this.liveBytes + bufferedBytes <= WAITING_BYTES_MAX) return;
    throw new VarveError("BROKER_OVERLOADED", {
      message: `${this.live} sends of ${this.liveBytes} bytes wait for room in the producer's buffer already; nothing was written; await some of them first`,
      details: { waitingMax: WAITING_MAX, waitingBytesMax: WAITING_BYTES_MAX },
    });
  }

  add(topic: string, record: EncodedRecord, terms: SendTerms): Promise<SendResult> {
    return new Promise((resolve, reject) => {
      const send: WaitingSend = { topic, record, terms, resolve, reject, gone: false, forgetSignal: () => {} };
      this.live++;
      this.liveBytes += record.bufferedBytes;
      this.sends.push(send);
      const { signal } = terms;
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
    this.leave(send);
    send.forgetSignal();
    this.advance();
  }

  /** Rejects those whose time is over, or all. */
  expire(nowMs: number, error: (send: WaitingSend) => VarveError): void {
    for (let send = this.peek(); send !== null && send.terms.deadlineAtMs <= nowMs; send = this.peek()) {
      this.shift(send);
      send.reject(error(send));
      this.onDropped(send);
    }
  }

  private remove(send: WaitingSend, error: VarveError): void {
    if (send.gone) return;
    this.leave(send);
    send.reject(error);
    this.onDropped(send);
    if (this.sends.length - this.head - this.live > Math.max(GONE_MAX, this.live)) this.clearAway();
  }

  private clearAway(): void {
    this.sends = this.sends.slice(this.head).filter(({ gone }) => !gone);
    this.head = 0;
  }

  private leave(send: WaitingSend): void {
    send.gone = true;
    this.live--;
    this.liveBytes -= send.record.bufferedBytes;
  }

  private advance(): void {
    this.head++;
    if (this.head * 2 < this.sends.length) return;
    this.sends = this.sends.slice(this.head);
    this.head = 0;
  }
}
