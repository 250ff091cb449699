/**
 * assert.ts: stops on a programmer error. Never used for bad input, a full disk or a lost peer: those are VarveErrors.
 */

/** An invariant of this code does not hold. Never caught on purpose: the process or the replica must stop. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Throws AssertionError unless `condition` holds. `message` names the one invariant that is checked. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** The value, which an invariant says is there. */
export function assertDefined<T>(value: T | null | undefined, message: string): T {
  if (value === null || value === undefined) throw new AssertionError(message);
  return value;
}

/** The end of a switch over a union: reached only when a case was forgotten. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`);
}
