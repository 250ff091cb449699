/** bad-case.ts: what a hand-made history that breaks a promise is, and what must be found in it. */
import type { CheckId } from "../check.js";
import type { Script } from "../script.js";

/** A history that breaks a promise. */
export interface BadCase {
  readonly check: CheckId;
  readonly why: string;
  /** Other checks that see the same breach. */
  readonly also?: readonly CheckId[];
  /** How many breaches `check` counts; 1 unless said. */
  readonly count?: number;
  /** Writes it. @returns the numbers of all events that `check` must name. */
  readonly write: (script: Script) => readonly number[];
}
