/**
 * caller.ts: one unary call, tried on broker after broker until it succeeds, cannot succeed, or its deadline has passed.
 *
 * Only for calls that read, or whose repeat is recognised by the cluster: it tries again after an unknown outcome, too.
 */
import { delay, type Logger, type VarveError } from "@varve/base";
import type { Init, UnaryMethod } from "@varve/rpc";
import { Attempts, aborted, blamesAddress, endOfWrite, mayRepeat, noneSecure, reading } from "../errors.js";
import type { ClientPorts } from "../ports.js";
import { backoffMs } from "./backoff.js";
import type { BrokerPool } from "./broker-pool.js";

export interface CallOptions<Response = unknown> {
  /** What the call is, for messages: `createTopic "orders"`. */
  readonly what: string;
  readonly kind: "read" | "write";
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Longest wait for one broker's answer, milliseconds. Default 3 s for reads, 10 s for writes; then another one is asked. */
  readonly attemptMs?: number | undefined;
  /** Ask another address first, if there is one. */
  readonly except?: string | null | undefined;
  /** An error that means success because an earlier attempt, whose outcome is unknown, must have done it. */
  readonly doneBefore?: ((error: VarveError) => Response | null) | undefined;
  /** An error that the caller deals with itself although its code allows to try again. */
  readonly isFinal?: ((error: VarveError) => boolean) | undefined;
}

/** A broker that is paused or cut off keeps its connections: only its silence tells. */
const ATTEMPT_MS = { read: 3_000, write: 10_000 } as const;

export class Caller {
  private readonly ports: ClientPorts;
  private readonly pool: BrokerPool;
  private readonly logger: Logger;

  constructor(ports: ClientPorts, pool: BrokerPool, logger: Logger) {
    this.ports = ports;
    this.pool = pool;
    this.logger = logger;
  }

  /** @throws VarveError, with the effect of all attempts together. */
  call<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Init<Request>,
    options: CallOptions<Response>,
  ): Promise<Response> {
    const ask = (): Promise<Response> => this.attempt(method, request, options);
    return options.kind === "read" ? reading(ask) : ask();
  }

  private async attempt<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Init<Request>,
    options: CallOptions<Response>,
  ): Promise<Response> {
    const { clock, random } = this.ports;
    const { what, signal } = options;
    const startedAtMs = clock.monotonicMs();
    const attempts = new Attempts(options.kind);
    const attemptMs = options.attemptMs ?? ATTEMPT_MS[options.kind];
    let except = options.except ?? null;
    for (;;) {
      const leftMs = startedAtMs + options.deadlineMs - clock.monotonicMs();
      if (signal?.aborted) throw aborted(what, attempts.effect(), signal.reason);
      if (leftMs <= 0) {
        if (except !== null) this.pool.turnFrom(except);
        throw attempts.giveUp(what, options.deadlineMs);
      }
      const address = this.pool.anyAddress(except);
      const channel = this.pool.channel(address);
      try {
        const deadlineMs = Math.min(leftMs, attemptMs);
        const response = await channel.unary(method, request, { deadlineMs, signal });
        this.pool.succeeded(address);
        return response;
      } catch (thrown) {
        const maybeDone = attempts.effect() === "UNKNOWN";
        const error = attempts.note(thrown, leftMs < attemptMs);
        const done = maybeDone ? options.doneBefore?.(error) : null;
        if (done !== null && done !== undefined) return done;
        if (signal?.aborted) {
          this.pool.turnFrom(address);
          throw aborted(what, attempts.effect(), signal.reason);
        }
        if (blamesAddress(error)) this.pool.failed(address, error.code);
        if (options.isFinal?.(error) === true) throw error.withEffect(attempts.effect());
        if (error.code === "TLS_FAILED" && this.pool.noneSecure(address))
          throw noneSecure(what, error, attempts.effect());
        if (!mayRepeat(error)) throw endOfWrite(error, attempts.effect());
        this.tell(what, address, error, attempts.count);
        except = address; // Whatever is wrong there may be right elsewhere.
        const stillLeftMs = Math.max(0, startedAtMs + options.deadlineMs - clock.monotonicMs());
        const waitMs = Math.min(backoffMs(random, attempts.count, error.retryAfterMs), stillLeftMs);
        await delay(clock, waitMs, signal).catch(() => {});
      }
    }
  }

  private tell(what: string, address: string, error: VarveError, attempt: number): void {
    this.logger.debug({ what, address, code: error.code, attempt }, "call failed, trying again");
    const { diagnostics } = this.ports;
    if (diagnostics.hasSubscribers("varve:client:call-retry")) {
      diagnostics.publish("varve:client:call-retry", { what, address, error, attempt });
    }
  }
}
