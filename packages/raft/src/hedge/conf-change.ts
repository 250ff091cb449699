/**
 * conf-change.ts: changes of a group's configuration: what they lead to, and how they lie in the log.
 *
 * Invariant C1: a change of more than one voter goes through a joint configuration (thesis 4.3).
 */
import type { ConfState } from "./types.js";

export interface Change {
  readonly type: "addVoter" | "addLearner" | "removeNode" | "updateNode";
  readonly nodeId: number;
}
export interface ConfChangeV2 {
  readonly transition: "auto" | "jointImplicit" | "jointExplicit";
  readonly changes: readonly Change[];
  readonly context: Uint8Array;
}

/** The configuration after a committed change; no changes = leave the joint configuration. */
export function nextConf(conf: ConfState, change: ConfChangeV2): ConfState {
  if (change.changes.length === 0) {
    return sorted(conf.voters, [...conf.learners, ...conf.learnersNext], [], [], false);
  }
  const voters = new Set(conf.voters);
  const learners = new Set(conf.learners);
  const learnersNext = new Set(conf.learnersNext);
  const joint = change.changes.length > 1 || change.transition !== "auto";
  const outgoing = joint ? [...voters] : [...conf.votersOutgoing];
  for (const { type, nodeId } of change.changes) {
    if (type === "updateNode" || nodeId === 0) continue;
    voters.delete(nodeId);
    learners.delete(nodeId);
    learnersNext.delete(nodeId);
    if (type === "addVoter") voters.add(nodeId);
    // Who still votes in the outgoing half becomes a learner only when that half is left.
    else if (type === "addLearner") (outgoing.includes(nodeId) ? learnersNext : learners).add(nodeId);
  }
  return sorted(
    voters,
    learners,
    outgoing,
    learnersNext,
    joint ? change.transition !== "jointExplicit" : conf.autoLeave,
  );
}

function sorted(
  voters: Iterable<number>,
  learners: Iterable<number>,
  votersOutgoing: Iterable<number>,
  learnersNext: Iterable<number>,
  autoLeave: boolean,
): ConfState {
  const ascending = (ids: Iterable<number>): number[] => [...ids].sort((left, right) => left - right);
  return {
    voters: ascending(voters),
    learners: ascending(learners),
    votersOutgoing: ascending(votersOutgoing),
    learnersNext: ascending(learnersNext),
    autoLeave,
  };
}

/** A change as an entry's data: JSON text, so that an inspected log can be read. */
export function encodeConfChange(change: ConfChangeV2): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ transition: change.transition, changes: change.changes }));
}

/** @throws RangeError when the bytes are no change. */
export function decodeConfChange(_type: number, data: Uint8Array): ConfChangeV2 {
  const raw = JSON.parse(new TextDecoder().decode(data)) as Partial<ConfChangeV2>;
  if (raw.transition === undefined || !Array.isArray(raw.changes)) throw new RangeError("not a configuration change");
  return { transition: raw.transition, changes: raw.changes, context: new Uint8Array(0) };
}
