/**
 * configuration.ts: a membership as a value: sorted lists of ids, and what must hold between them.
 *
 * Invariants:
 *   C1  every list is sorted and has no repetition
 *   C2  no node is voter (incoming or outgoing) and learner at once
 *   C3  nodes of `learnersNext` are outgoing voters
 *   C4  without outgoing voters there are no `learnersNext` and no automatic leave
 * Source: Raft thesis section 4.2.1 (learners, called non-voting members there) and 4.3 (joint consensus).
 */
import { ConfChangeError } from "../errors.js";
import type { ConfState } from "../types.js";

/** No members. A node that starts like this waits for a snapshot. */
export const EMPTY_CONFIGURATION: ConfState = Object.freeze({
  voters: [],
  learners: [],
  votersOutgoing: [],
  learnersNext: [],
  autoLeave: false,
});

/** `ids` ascending, each once. */
export function sortedIds(ids: Iterable<number>): readonly number[] {
  return [...new Set(ids)].sort((left, right) => left - right);
}

/** Whether two majorities are needed. */
export function isJoint(config: ConfState): boolean {
  return config.votersOutgoing.length > 0;
}

/** Incoming and outgoing voters. */
export function allVoters(config: ConfState): readonly number[] {
  return isJoint(config) ? sortedIds([...config.voters, ...config.votersOutgoing]) : config.voters;
}

/** Everyone that a leader replicates to. */
export function members(config: ConfState): readonly number[] {
  return sortedIds([...config.voters, ...config.votersOutgoing, ...config.learners]);
}

/** The same configuration with C1. @throws ConfChangeError if it breaks C2, C3 or C4. */
export function normalizeConfiguration(config: ConfState): ConfState {
  const voters = sortedIds(config.voters);
  const learners = sortedIds(config.learners);
  const votersOutgoing = sortedIds(config.votersOutgoing);
  const learnersNext = sortedIds(config.learnersNext);
  for (const id of learners) {
    if (voters.includes(id)) throw new ConfChangeError(`${id} is in learners and voters`);
    if (votersOutgoing.includes(id)) throw new ConfChangeError(`${id} is in learners and outgoing voters`);
  }
  for (const id of learnersNext) {
    if (!votersOutgoing.includes(id)) throw new ConfChangeError(`${id} is in learnersNext, but no outgoing voter`);
    if (voters.includes(id)) throw new ConfChangeError(`${id} is in learnersNext and voters`);
  }
  if (votersOutgoing.length === 0 && config.autoLeave) {
    throw new ConfChangeError("autoLeave without a joint configuration");
  }
  return { voters, learners, votersOutgoing, learnersNext, autoLeave: config.autoLeave };
}
