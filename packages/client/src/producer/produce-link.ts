/**
 * produce-link.ts: one ProduceStream to one address, shared by all partitions that are sent there.
 *
 * Invariants:
 *   L1  requests leave in the order of `send`; each is settled exactly once
 *   L2  a stream that breaks settles all its requests, in order; their effect is NOT_APPLIED only if no connection ever was
 *   L3  a stream that is silent for SILENCE_MAX_MS while requests wait is cut
 */
import { type Clock, type ErrorCode, type TimerHandle, toVarveError, VarveError } from "@varve/base";
import {
  type ClientStream,
  fromErrorStatus,
  type Init,
  METHODS,
  type ProduceRequest,
  type ProduceResponse,
  type ProduceStreamRequest,
  type ProduceStreamResponse,
  type RpcChannel,
} from "@varve/rpc";

/** Silence after which the broker counts as gone. Brokers answer a waiting request before REQUEST_TIMEOUT_MS. */
const SILENCE_MAX_MS = 10_000;
/** What the broker is told to wait for replicas at most; the producer then sends again. */
export const REQUEST_TIMEOUT_MS = 8_000;

/** Codes that may say that no connection ever was. */
const NEVER_SENT: ReadonlySet<ErrorCode> = new Set(["UNREACHABLE", "TLS_FAILED"]);

export interface Answer {
  settled(response: ProduceResponse | null, error: VarveError | null): void;
}

interface Waiting {
  readonly answer: Answer;
  readonly sentAtMs: number;
}

export class ProduceLink {
  readonly address: string;
  private readonly clock: Clock;
  private readonly stream: ClientStream<ProduceStreamRequest, ProduceStreamResponse>;
  private readonly waiting = new Map<number, Waiting>();
  private readonly onOver: (link: ProduceLink, error: VarveError | null) => void;
  private readonly onAlive: (link: ProduceLink) => void;
  private nextCorrelationId = 1;
  private heardAtMs: number;
  private watch: TimerHandle | null = null;
  private ended: VarveError | null = null;

  constructor(
    channel: RpcChannel,
    clock: Clock,
    hooks: {
      readonly onOver: (link: ProduceLink, error: VarveError | null) => void;
      readonly onAlive: (link: ProduceLink) => void;
    },
  ) {
    this.address = channel.address;
    this.clock = clock;
    this.onOver = hooks.onOver;
    this.onAlive = hooks.onAlive;
    this.heardAtMs = clock.monotonicMs();
    this.stream = channel.bidi(METHODS.produceStream, {});
    this.listen().then(
      () =>
        this.finish(new VarveError("UNREACHABLE", { message: `${this.address} ended the stream`, effect: "UNKNOWN" })),
      (error: unknown) => this.finish(toVarveError(error)),
    );
  }

  /** Requests that wait for their answer. */
  get pending(): number {
    return this.waiting.size;
  }

  /** The request's bytes are copied before this returns. The sender bounds what is in flight. @throws when it cannot be sent at all. */
  send(produce: Init<ProduceRequest>, answer: Answer): void {
    if (this.ended !== null) {
      const { ended } = this;
      this.clock.defer(() => answer.settled(null, ended.withEffect("NOT_APPLIED")));
      return;
    }
    const correlationId = this.nextCorrelationId++;
    if (this.waiting.size === 0) this.heardAtMs = this.clock.monotonicMs();
    // Written before it counts as waiting (L1): what cannot be encoded throws here, and its sender settles it.
    this.stream.write({ correlationId, produce }).catch(() => {}); // The reading side reports how the stream ended.
    this.waiting.set(correlationId, { answer, sentAtMs: this.clock.monotonicMs() });
    this.watch ??= this.clock.setTimer(SILENCE_MAX_MS, () => this.checkSilence());
  }

  /** When the request that waits longest was sent, or null. */
  oldestSentAtMs(): number | null {
    const first = this.waiting.values().next();
    return first.done === true ? null : first.value.sentAtMs;
  }

  /** Breaks the stream; its requests settle with UNREACHABLE, effect UNKNOWN. */
  cut(why: string): void {
    this.finish(
      new VarveError("UNREACHABLE", {
        message: `${this.address} ${why}; what was sent may have been written`,
        effect: "UNKNOWN",
        details: { address: this.address },
      }),
    );
  }

  /** Ends in order; for a link without waiting requests. */
  end(): void {
    this.stream.end();
  }

  private async listen(): Promise<void> {
    for await (const response of this.stream.responses) {
      this.heardAtMs = this.clock.monotonicMs();
      this.onAlive(this);
      const waiting = this.waiting.get(response.correlationId);
      if (waiting === undefined) continue;
      this.waiting.delete(response.correlationId);
      waiting.answer.settled(response.result, response.error === null ? null : fromErrorStatus(response.error));
    }
  }

  private finish(error: VarveError): void {
    if (this.ended !== null) return;
    this.ended = error;
    this.watch?.cancel();
    this.stream.cancel();
    // A connection that nothing waits for may end for any reason; a broker that stops says so to all.
    this.onOver(this, this.waiting.size > 0 || error.code === "SHUTTING_DOWN" ? error : null);
    const applied = NEVER_SENT.has(error.code) && error.effect === "NOT_APPLIED" ? "NOT_APPLIED" : "UNKNOWN"; // L2
    const waiting = [...this.waiting.values()];
    this.waiting.clear();
    for (const { answer } of waiting) answer.settled(null, error.withEffect(applied));
  }

  private checkSilence(): void {
    this.watch = null;
    if (this.waiting.size === 0) return;
    const silentMs = this.clock.monotonicMs() - this.heardAtMs;
    if (silentMs >= SILENCE_MAX_MS) this.cut(`has not answered for ${Math.round(silentMs)} ms`);
    else this.watch = this.clock.setTimer(SILENCE_MAX_MS - silentMs, () => this.checkSilence());
  }
}
