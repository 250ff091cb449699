/**
 * repeatable.ts: which failures prove that nothing was written, so that a call may be sent again, and how often it is.
 */
import { isVarveError } from "@varve/base";

/** Time before a call is sent again: the first, then twice as long each time, up to the last. */
export const RETRY_FIRST_MS = 10;
export const RETRY_MAX_MS = 200;

/** The leader has moved, or is about to, or the call never left this broker. */
export function isSafeToRepeat(error: unknown): boolean {
  if (!isVarveError(error)) return false;
  return (
    error.code === "NOT_LEADER" ||
    error.code === "REPLICA_QUARANTINED" ||
    (error.code === "UNREACHABLE" && error.effect !== "UNKNOWN") ||
    (error.code === "SHUTTING_DOWN" && error.effect === "NOT_APPLIED")
  );
}
