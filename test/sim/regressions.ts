/**
 * regressions.ts: runs that once showed a bug, by name. The code must be clean on them.
 *
 * Such a run is kept as the shrinker prints it: its seed, what it drew (`plan`), and the short list of decisions that was left. So what later
 * versions of the simulator draw does not change what is done to the cluster, nor when; only how the code under test answers does. What still
 * comes from the seed are latencies and the chances of the brokers themselves. A regression that is a seed alone is one that was not shrunk:
 * its draws drift, and the broken variants of `controls.ts` guard what it was found for.
 */
import { type Decision, decisionOf } from "./decisions.js";
import type { Plan } from "./plan.js";

export interface Regression {
  readonly name: string;
  /** Which invariant broke. */
  readonly found: string;
  readonly seed: number;
  readonly plan?: Partial<Plan>;
  /** As `textOf` writes them: when, what, and the salt of what it draws. */
  readonly decisions?: readonly string[];
}

export const REGRESSIONS: readonly Regression[] = [
  { name: "a leader with a stalled disk answers a linearizable read", found: "S2", seed: 114 },
  { name: "a kill while replicas are made, then a power cut", found: "S6", seed: 134 },
  { name: "a sync that failed, a restart, then a power cut", found: "S7", seed: 105 },
  { name: "a topic is made anew with fewer partitions", found: "no-failure", seed: 104 },
  { name: "a lost controller's log is learned anew, old replicas with it", found: "S6", seed: 2 },
];

/** What `runSeed` is given to repeat it. */
export function runOf({ seed, plan, decisions }: Regression): {
  readonly seed: number;
  readonly plan?: Partial<Plan>;
  readonly decisions?: readonly Decision[];
} {
  if (decisions === undefined) return { seed };
  return { seed, decisions: decisions.map(decisionOf), ...(plan === undefined ? {} : { plan }) };
}

/** @throws RangeError. */
export function regressionOf(name: string): Regression {
  const regression = REGRESSIONS.find((each) => each.name === name);
  if (regression !== undefined) return regression;
  throw new RangeError(`${name} is none of:\n${REGRESSIONS.map((each) => each.name).join("\n")}`);
}
