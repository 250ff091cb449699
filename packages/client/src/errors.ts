/**
 * errors.ts: the SDK's own errors, worded once, and how the effects of several attempts add up.
 *
 * Invariant E1: one write is never told UNKNOWN under a code whose catalogue row says that nothing was written, as `endOfWrite` sees to. Of
 * several records, sendBatch tells the first one's code and the effect of all.
 */
import {
  type Effect,
  ERROR_CATALOGUE,
  type ErrorCode,
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

/** What `ask` answers, or throws, as the end of a call that changes nothing. */
export async function reading<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (thrown) {
    throw toVarveError(thrown).withEffect("NONE");
  }
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

/** The end of a call when every known address has failed with TLS_FAILED, as `last` did: certificates do not become right by waiting. */
export function noneSecure(what: string, last: VarveError, effect: Effect): VarveError {
  return new VarveError("TLS_FAILED", {
    message: `${what} found no broker to speak TLS with; ${last.message}`,
    effect,
    retryable: false,
    details: last.details,
    cause: last,
  });
}

/** Whether a request whose repeat is recognised, or that only reads, may be sent again after `error`. */
export function mayRepeat(error: VarveError): boolean {
  const policy: ErrorPolicy = ERROR_CATALOGUE[error.code];
  return error.retryable || policy.retry !== "never";
}

const ADDRESS_CODES: ReadonlySet<ErrorCode> = new Set(["UNREACHABLE", "TIMEOUT", "SHUTTING_DOWN", "TLS_FAILED"]);

/** Whether `error` says that the broker or the way to it is in trouble, so that another address may do better. */
export function blamesAddress(error: VarveError): boolean {
  return ADDRESS_CODES.has(error.code);
}

/** Codes that say nothing about the effect: it is whatever is known. */
const AS_KNOWN: ReadonlySet<ErrorCode> = new Set(["UNREACHABLE", "CLOSED", "ABORTED", "INVALID_ARGUMENT", "INTERNAL"]);

/**
 * `error` as the end of a write of which, all attempts together, this is known. When an earlier attempt may have been written, a refusal of the
 * last one is not the whole truth: the end is COMMIT_UNKNOWN then, with that refusal as its cause (E1).
 */
export function endOfWrite(error: VarveError, effect: Effect): VarveError {
  if (effect !== "UNKNOWN" || AS_KNOWN.has(error.code) || effectOf(error.code) === "UNKNOWN")
    return error.withEffect(effect);
  return new VarveError("COMMIT_UNKNOWN", {
    message: `an earlier attempt may have been written, and the last one was refused: ${error.withEffect("NONE").message}`,
    details: error.details,
    cause: error,
  });
}

/** The code for a write of which no attempt was written, when `last` is why. */
export function codeOfUnwritten(last: VarveError): ErrorCode {
  return effectOf(last.code) === "UNKNOWN" && !AS_KNOWN.has(last.code) ? "TIMEOUT" : last.code;
}

function effectOf(code: ErrorCode): Effect {
  return ERROR_CATALOGUE[code].effect;
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

  /** @param isCut whether it had less time than an attempt has: silence in it says nothing, unless a write was on its way */
  note(thrown: unknown, isCut: boolean): VarveError {
    const error = toVarveError(thrown);
    this.count++;
    const isNothing = isCut && error.code === "TIMEOUT" && (this.read || error.effect !== "UNKNOWN");
    const saysMore = !isSilence(error) || (isSilence(this.last) && !isNothing);
    if (this.last === null || saysMore) this.last = error;
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
    const { code, retryable, message } = this.read ? last.withEffect("NONE") : endOfWrite(last, effect);
    return new VarveError(code, {
      message: `${what} gave up after ${this.count} attempts in ${took}; ${message}`,
      effect,
      retryable,
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
function isSilence(error: VarveError | null): boolean {
  return error !== null && (error.code === "UNREACHABLE" || error.code === "TIMEOUT");
}
