/**
 * outcome.ts: what an applier hands back: the result, and whether the state is another than before.
 */
import type { CommandResult, CommandValue, Refusal } from "./result.js";

export interface Outcome {
  readonly result: CommandResult;
  readonly changed: boolean;
}

/** Where and when a command was committed; part of the log, the same on every replica. */
export interface ApplyContext {
  /** Its index in the controller's log. */
  readonly index: number;
  /** Leader's clock when it was appended, milliseconds since 1970. */
  readonly appendTimeMs: number;
}

export function changed(value: CommandValue): Outcome {
  return { result: { ok: true, value }, changed: true };
}

export function unchanged(value: CommandValue): Outcome {
  return { result: { ok: true, value }, changed: false };
}

export function refused(result: Refusal): Outcome {
  return { result, changed: false };
}

export const DONE: CommandValue = { kind: "done" };
