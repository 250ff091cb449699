/**
 * confchange.ts: computes the configuration that follows from a change. Pure.
 *
 * Transitions: simple -> simple (at most one voter differs); simple -> joint (any number of voters differ); joint ->
 * simple (the outgoing voters leave). Nothing else changes a joint configuration.
 * Invariants:
 *   C5  any majority of the old configuration and any of the new one have a node in common
 *   C6  a change never removes the last incoming voter
 * Source: Raft thesis sections 4.1 (one at a time), 4.2.1 (learners) and 4.3 (arbitrary changes).
 */
import { ConfChangeError } from "../errors.js";
import type { ConfChangeSingle, ConfChangeV2, ConfState } from "../types.js";
import { isJoint, members, normalizeConfiguration } from "./configuration.js";

/** A configuration, and the nodes whose progress starts anew although they may still be members. */
export interface ChangedConfiguration {
  readonly config: ConfState;
  readonly dropped: ReadonlySet<number>;
}

/** Whether the change asks to leave a joint configuration. */
export function leavesJoint(change: ConfChangeV2): boolean {
  return change.transition === "auto" && change.changes.length === 0;
}

/** Applies `change` to `config`. @throws ConfChangeError if it is not allowed there; nothing has changed then. */
export function changeConfiguration(config: ConfState, change: ConfChangeV2): ChangedConfiguration {
  if (leavesJoint(change)) return leaveJoint(config);
  const joint = change.transition !== "auto" || change.changes.length > 1;
  if (joint) return enterJoint(config, change.transition !== "jointExplicit", change.changes);
  return simpleChange(config, change.changes);
}

/** Changes at most one voter, and any number of learners, in one step. */
export function simpleChange(config: ConfState, changes: readonly ConfChangeSingle[]): ChangedConfiguration {
  if (isJoint(config)) throw new ConfChangeError("can't apply simple config change in joint config");
  const draft = new ConfigurationDraft(config, []);
  draft.applyAll(changes);
  if (symmetricDifference(config.voters, draft.voters) > 1) {
    throw new ConfChangeError("more than one voter changed without entering joint config");
  }
  return draft.finish(false);
}

/** Keeps the present voters as outgoing ones, and changes the incoming ones freely. */
export function enterJoint(
  config: ConfState,
  autoLeave: boolean,
  changes: readonly ConfChangeSingle[],
): ChangedConfiguration {
  if (isJoint(config)) throw new ConfChangeError("config is already joint");
  if (config.voters.length === 0) throw new ConfChangeError("can't make a zero-voter config joint");
  const draft = new ConfigurationDraft(config, config.voters);
  draft.applyAll(changes);
  return draft.finish(autoLeave);
}

/** Lets the outgoing voters go; those that were to become learners do. */
export function leaveJoint(config: ConfState): ChangedConfiguration {
  if (!isJoint(config)) throw new ConfChangeError("can't leave a non-joint config");
  const next = normalizeConfiguration({
    voters: config.voters,
    learners: [...config.learners, ...config.learnersNext],
    votersOutgoing: [],
    learnersNext: [],
    autoLeave: false,
  });
  return { config: next, dropped: new Set() };
}

function symmetricDifference(before: readonly number[], after: ReadonlySet<number>): number {
  const kept = before.filter((id) => after.has(id)).length;
  return before.length - kept + (after.size - kept);
}

/** A configuration while elementary changes are applied to it, one after another. */
class ConfigurationDraft {
  readonly voters: Set<number>;
  private readonly learners: Set<number>;
  private readonly learnersNext: Set<number>;
  private readonly outgoing: ReadonlySet<number>;
  private readonly tracked: Set<number>;
  private readonly dropped = new Set<number>();

  constructor(config: ConfState, outgoing: readonly number[]) {
    this.voters = new Set(config.voters);
    this.learners = new Set(config.learners);
    this.learnersNext = new Set(config.learnersNext);
    this.outgoing = new Set(outgoing);
    this.tracked = new Set(members(config));
  }

  applyAll(changes: readonly ConfChangeSingle[]): void {
    for (const { type, nodeId } of changes) {
      if (nodeId === 0) continue; // A host makes a change ineffective by clearing its node id.
      if (type === "addVoter") this.addVoter(nodeId);
      else if (type === "addLearner") this.addLearner(nodeId);
      else if (type === "removeNode") this.remove(nodeId);
    }
    if (this.voters.size === 0) throw new ConfChangeError("removed all voters"); // C6
  }

  finish(autoLeave: boolean): ChangedConfiguration {
    const config = normalizeConfiguration({
      voters: [...this.voters],
      learners: [...this.learners],
      votersOutgoing: [...this.outgoing],
      learnersNext: [...this.learnersNext],
      autoLeave,
    });
    return { config, dropped: this.dropped };
  }

  private addVoter(id: number): void {
    this.learners.delete(id);
    this.learnersNext.delete(id);
    this.voters.add(id);
    this.tracked.add(id);
  }

  private addLearner(id: number): void {
    if (this.learners.has(id)) return;
    this.voters.delete(id);
    this.tracked.add(id);
    // A node that still votes in the outgoing configuration becomes a learner only when that one is left (C2).
    if (this.outgoing.has(id)) this.learnersNext.add(id);
    else this.learners.add(id);
  }

  private remove(id: number): void {
    if (!this.tracked.has(id)) return;
    this.voters.delete(id);
    this.learners.delete(id);
    this.learnersNext.delete(id);
    if (this.outgoing.has(id)) return;
    this.tracked.delete(id);
    this.dropped.add(id);
  }
}
