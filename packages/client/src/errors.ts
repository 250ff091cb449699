/**
 * errors.ts: the SDK's own errors, worded once, and how the effects of several attempts add up.
 */
import {
  type Effect,
  ERROR_CATALOGUE,
  type ErrorPolicy,
  onAbort as onSignal,
  toVarveError,
  VarveError,
} from "@varve/base";

/** Rejects a wait whose signal was aborted. */
export function aborted(what: string, effect: Effect, cause: unknown): VarveError {
  const applied =
    effect === "UNKNOWN" ? "; it may have taken effect" : effect === "NOT_APPLIED" ? "; nothing was written" : "";
  return new VarveError("ABORTED", { message: `${what} was ended by its signal${applied}`, effect, cause });
}

export function closed(what: string): VarveError {
  return new VarveError("CLOSED", {
    message: `${what} is closed; nothing was written; make a new one`,
    effect: "NOT_APPLIED",
  });
}

export function unknownTopic(topic: string): VarveError {
  return new VarveError("UNKNOWN_TOPIC", {
    message: `topic ${JSON.stringify(topic)} does not exist; create it with: varve topic create ${topic}`,
    details: { topic },
  });
}

export function unknownPartition(topic: string, partition: number, partitions: number): VarveError {
  return new VarveError("UNKNOWN_PARTITION", {
    message: `topic ${JSON.stringify(topic)} has no partition ${partition}; it has 0 .. ${partitions - 1}`,
    details: { topic, partition, partitions },
  });
}

/** Whether a request whose repeat is recognised, or that only reads, may be sent again after `error`. */
export function mayRepeat(error: VarveError): boolean {
  const policy: ErrorPolicy = ERROR_CATALOGUE[error.code];
  return error.retryable || policy.retry !== "never";
}

/** Whether `error` says that the broker or the way to it is in trouble, so that another address may do better. */
export function blamesAddress(error: VarveError): boolean {
  return error.code === "UNREACHABLE" || error.code === "TIMEOUT" || error.code === "SHUTTING_DOWN";
}

/** The attempts of one call so far. NOT_APPLIED only if every attempt was. */
export class Attempts {
  private readonly read: boolean;
  private anyUnknown = false;
  count = 0;
  /** The last failure; of a broker's answer and a missing one, the answer, which says more. */
  private last: VarveError | null = null;

  constructor(kind: "read" | "write") {
    this.read = kind === "read";
  }

  note(thrown: unknown): VarveError {
    const error = toVarveError(thrown);
    this.count++;
    if (this.last === null || !isSilence(error) || isSilence(this.last)) this.last = error;
    if (error.effect === "UNKNOWN") this.anyUnknown = true;
    return error;
  }

  /** What is known about the call as a whole. */
  effect(): Effect {
    if (this.read) return "NONE";
    return this.anyUnknown ? "UNKNOWN" : "NOT_APPLIED";
  }

  /** The error of the call when no attempt is left: the last one, with the effect of all. */
  giveUp(what: string, afterMs: number): VarveError {
    const effect = this.effect();
    const last = this.last;
    const took = `${(afterMs / 1000).toFixed(1)} s`;
    if (last === null) {
      return new VarveError("TIMEOUT", { message: `${what} did not finish within ${took}`, effect });
    }
    return new VarveError(last.code, {
      message: `${what} gave up after ${this.count} attempts in ${took}; ${last.message}`,
      effect,
      retryable: last.retryable,
      details: { ...last.details, attempts: this.count },
      cause: last,
    });
  }
}

/** `promise`, or a rejection with `onAbort()` as soon as `signal` is aborted. */
export function untilAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
  onAbort: () => VarveError,
): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    // If the signal made the promise itself reject, that rejection knows more: it goes first.
    const abort = (): void =>
      void Promise.resolve()
        .then(() => Promise.resolve())
        .then(() => reject(onAbort()));
    if (signal.aborted) abort();
    promise.then(resolve, reject).finally(onSignal(signal, abort));
  });
}

/** Nobody said anything. */
function isSilence({ code }: VarveError): boolean {
  return code === "UNREACHABLE" || code === "TIMEOUT";
}
