/** send-errors.ts: what the producer itself says of sends that failed: one that never got into a batch, and several together. */
import { toVarveError, VarveError } from "@varve/base";
import { codeOfUnwritten } from "../errors.js";
import type { SendResult } from "./options.js";

/** A send whose time ended before it was put into a batch. */
export function waitedTooLong(
  topic: string,
  timeoutMs: number,
  what: string,
  bootstrap: readonly string[],
  last: VarveError | null,
): VarveError {
  const why = last === null ? "" : `; the last attempt: ${last.message}`;
  return new VarveError(last === null ? "TIMEOUT" : codeOfUnwritten(last), {
    message: `send to ${topic} waited ${timeoutMs} ms for ${what}; nothing was written; check that the cluster of ${bootstrap.join(", ")} is up and not overloaded${why}`,
    effect: "NOT_APPLIED",
    retryable: last?.retryable ?? true,
    details: { ...last?.details, topic },
    ...(last === null ? {} : { cause: last }),
  });
}

/** The results of a sendBatch, or the error that all failures make together. @throws VarveError. */
export function resultsOrError(outcomes: readonly PromiseSettledResult<SendResult>[]): SendResult[] {
  const results = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
  const errors = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [toVarveError(outcome.reason)] : []));
  const first = errors[0];
  if (first === undefined) return results;
  const none = results.length === 0 && errors.every(({ effect }) => effect === "NOT_APPLIED");
  throw new VarveError(first.code, {
    message: `${errors.length} of ${outcomes.length} records failed; the first: ${first.message}`,
    effect: none ? "NOT_APPLIED" : "UNKNOWN",
    retryable: first.retryable,
    details: { ...first.details, records: outcomes.length, failed: errors.length },
    cause: first,
  });
}
