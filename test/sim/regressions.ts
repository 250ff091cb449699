/**
 * regressions.ts: runs that once showed a bug, by name. The code must be clean on them.
 *
 * A seed draws other things when the simulator or the code change what they draw, so a run is kept with its plan and its decisions where it was
 * made short; the broken variants of `controls.ts` guard what a seed alone cannot.
 */
import type { Decision } from "./decisions.js";

export interface Regression {
  readonly name: string;
  readonly seed: number;
  readonly decisions?: readonly Decision[];
  /** Which invariant broke. */
  readonly found: string;
}

export const REGRESSIONS: readonly Regression[] = [
  { name: "a leader with a stalled disk answers a linearizable read", seed: 114, found: "S2" },
  { name: "a kill while replicas are made, then a power cut", seed: 134, found: "S6" },
  { name: "a sync that failed, a restart, then a power cut", seed: 105, found: "S7" },
  { name: "a topic is made anew with fewer partitions", seed: 104, found: "no-failure" },
  { name: "a lost controller's log is learned anew, old replicas with it", seed: 2, found: "S6" },
];
