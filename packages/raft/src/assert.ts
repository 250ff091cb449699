/**
 * assert.ts: stops on a programmer error. Never used for input that a peer or a disk may get wrong in normal life.
 */

/** An invariant of this package does not hold: the replica must stop, its memory can no longer be trusted. */
export class RaftAssertionError extends Error {
  override readonly name = "RaftAssertionError";
}

/** Throws RaftAssertionError unless `condition` holds. `message` names the one invariant that is checked. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new RaftAssertionError(message);
}

/** The value, which an invariant says is there. */
export function assertDefined<T>(value: T | null | undefined, message: string): T {
  if (value === null || value === undefined) throw new RaftAssertionError(message);
  return value;
}
