/**
 * linearizable.ts: the slow, obvious judge: tries every order of a small history's operations that real time allows.
 *
 * A history is linearizable when each operation can be given one moment between its begin and its end so that, one after the other, all answers are right.
 * An operation of unknown end has no end, and may be left out. Exponential in how many operations overlap: for tests, up to `OPERATIONS_MAX`.
 * Source: Wing and Gong 1993, with Lowe's memory of visited states (2017).
 */
import { assert } from "@varve/base";

/** More are refused. */
export const OPERATIONS_MAX = 40;

/** One operation on a state. */
export interface TimedOperation<State> {
  /** The number of its invoke. */
  readonly begunAt: number;
  /** The number of its ok; Infinity: of unknown end. */
  readonly endedAt: number;
  /** The state after it, when it takes effect in `state`; null when its answer is wrong there. */
  readonly apply: (state: State) => State | null;
}

/**
 * Whether some order explains all answers.
 *
 * @param nameOf tells states apart.
 */
export function isLinearizable<State>(
  operations: readonly TimedOperation<State>[],
  initial: State,
  nameOf: (state: State) => string,
): boolean {
  assert(operations.length <= OPERATIONS_MAX, "an exhaustive search is for small histories");
  const visited = new Set<string>();
  const isExplained = (done: ReadonlySet<number>, state: State): boolean => {
    const left = operations.filter((_, at) => !done.has(at));
    const firstEnd = Math.min(...left.map(({ endedAt }) => endedAt));
    if (left.length === 0 || firstEnd === Number.POSITIVE_INFINITY) return true;
    const name = `${[...done].sort((a, b) => a - b).join()}|${nameOf(state)}`;
    if (visited.has(name)) return false;
    visited.add(name);
    return operations.some((operation, at) => {
      // Whatever ended before it began comes first.
      if (done.has(at) || operation.begunAt > firstEnd) return false;
      const next = operation.apply(state);
      return next !== null && isExplained(new Set(done).add(at), next);
    });
  };
  return isExplained(new Set(), initial);
}
