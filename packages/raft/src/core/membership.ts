/**
 * membership.ts: puts configurations into force.
 *
 * Invariants:
 *   M1  a configuration is in force from the moment the host applies its entry, or restores a snapshot
 *   M2  a leader leaves a joint configuration by itself if that was asked for, once per joint configuration
 *   M3  leadership is not handed to a node that is no voter any more
 *   M4  while a snapshot is on its way to the disk its configuration is in force: a change that is applied meanwhile is
 *       from before the snapshot, which contains its effect
 * Source: Raft thesis chapter 4. As in etcd raft a change counts when applied, not when appended; W1 and V4 make that safe.
 */
import { assert } from "../assert.js";
import { ProposalDropped } from "../errors.js";
import type { ConfChangeV2, ConfState } from "../types.js";
import { changeConfiguration } from "./confchange.js";
import { confChangeEntry } from "./confchange-codec.js";
import { allVoters, members, normalizeConfiguration } from "./configuration.js";
import { proposeAsLeader } from "./proposals.js";
import { startPostponedReads } from "./read-index.js";
import { broadcastAppend, maybeCommit, maybeSendAppend } from "./replication.js";
import { becomeFollower } from "./roles.js";
import type { RaftState } from "./state.js";

const NONE: ReadonlySet<number> = new Set();
const LEAVE_JOINT: ConfChangeV2 = { transition: "auto", changes: [], context: new Uint8Array(0) };

/** Applies a committed change (M1, M4). @throws ConfChangeError if the configuration does not allow it; nothing has changed. */
export function applyConfChange(raft: RaftState, change: ConfChangeV2): ConfState {
  if (raft.log.unstable.snapshot !== null) return raft.config; // M4
  const { config, dropped } = changeConfiguration(raft.config, change);
  enforce(raft, config, dropped);
  return config;
}

/** Takes a whole configuration over, from storage or a snapshot. @throws ConfChangeError if it is none. */
export function restoreConfiguration(raft: RaftState, state: ConfState): void {
  const config = normalizeConfiguration(state);
  raft.progress.clear();
  enforce(raft, config, NONE);
}

function enforce(raft: RaftState, config: ConfState, anew: ReadonlySet<number>): void {
  raft.config = config;
  raft.track(members(config), anew);
  raft.options.trace?.({ kind: "configuration", id: raft.id, confState: config });
  if (raft.state !== "leader") return;
  const own = raft.progress.get(raft.id);
  if (own === undefined || own.isLearner) {
    if (raft.options.stepDownOnRemoval) becomeFollower(raft, raft.term, 0);
    return;
  }
  assert(config.voters.length > 0, "C6");
  if (maybeCommit(raft)) {
    commitMoved(raft); // A smaller quorum may have what a larger one lacked.
  } else {
    for (const id of raft.memberIds) if (id !== raft.id) maybeSendAppend(raft, id, false);
  }
  if (raft.transferee !== 0 && !allVoters(config).includes(raft.transferee)) raft.transferee = 0; // M3
}

/** A leader's commit index moved: everyone hears of it. */
export function commitMoved(raft: RaftState): void {
  startPostponedReads(raft);
  broadcastAppend(raft);
}

/** The state machine has applied everything up to `index`, `bytes` of it given out. */
export function appliedTo(raft: RaftState, index: number, bytes: number): void {
  raft.log.appliedTo(Math.max(index, raft.log.applied), bytes);
  leaveJointIfDue(raft);
}

/** A transfer that takes longer than an election timeout has failed; proposals are taken again, also the one that waited (M2). */
export function giveUpTransfer(raft: RaftState): void {
  raft.transferee = 0;
  leaveJointIfDue(raft);
}

function leaveJointIfDue(raft: RaftState): void {
  if (!raft.config.autoLeave || raft.state !== "leader" || raft.log.applied < raft.pendingConfIndex) return;
  try {
    proposeAsLeader(raft, [confChangeEntry(LEAVE_JOINT)]); // M2: raises pendingConfIndex.
  } catch (error) {
    // Handing over: the next leader leaves, or this one when it gives the transfer up.
    if (!(error instanceof ProposalDropped)) throw error;
  }
}
