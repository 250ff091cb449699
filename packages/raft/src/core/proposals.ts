/**
 * proposals.ts: what enters a leader's log, and what does not.
 *
 * Invariants:
 *   W1  one change of the membership at a time: none is proposed before the last one is applied here
 *   W2  payload proposed and not applied stays below its limit, but one proposal always goes
 *   W3  a leader that hands over, or was removed, proposes nothing
 * Source: Raft thesis sections 3.10 (W3), 4.1 and 4.3 (W1).
 */
import { assert } from "../assert.js";
import { ConfChangeDecodeError, ProposalDropped } from "../errors.js";
import { type ConfChangeV2, type Entry, EntryType, type ProposedEntry } from "../types.js";
import { decodeConfChange } from "./confchange-codec.js";
import { isJoint } from "./configuration.js";
import { payloadBytes } from "./entry-size.js";
import { broadcastAppend } from "./replication.js";
import type { RaftState } from "./state.js";

const EMPTY_ENTRY: ProposedEntry = Object.freeze({ type: EntryType.normal, data: new Uint8Array(0) });

/** Hands `proposed` to the log, or to the leader. @throws ProposalDropped: it entered no log. */
export function propose(raft: RaftState, proposed: readonly ProposedEntry[]): void {
  assert(proposed.length > 0, "something is proposed");
  if (raft.state === "leader") proposeAsLeader(raft, proposed);
  else passToLeader(raft, proposed);
}

function passToLeader(raft: RaftState, proposed: readonly ProposedEntry[]): void {
  if (raft.state !== "follower" || raft.leader === 0) throw new ProposalDropped("no-leader");
  if (raft.options.disableProposalForwarding) throw new ProposalDropped("no-forwarding");
  const message = raft.compose("MsgProp", raft.leader);
  message.entries = proposed.map(({ type, data }) => ({ term: 0, index: 0, type, data }));
  raft.post(message);
}

/** As a leader: appends and sends to all. */
export function proposeAsLeader(raft: RaftState, proposed: readonly ProposedEntry[]): void {
  if (!raft.progress.has(raft.id)) throw new ProposalDropped("removed");
  if (raft.transferee !== 0) throw new ProposalDropped("transferring");
  const pendingConfIndex = raft.pendingConfIndex;
  if (!appendOwn(raft, checkConfChanges(raft, proposed))) {
    raft.pendingConfIndex = pendingConfIndex;
    throw new ProposalDropped("too-much-uncommitted");
  }
  broadcastAppend(raft);
}

/** Appends at the end of a leader's log. False: too much is uncommitted, nothing was appended (W2). */
export function appendOwn(raft: RaftState, proposed: readonly ProposedEntry[]): boolean {
  assert(raft.state === "leader", "only a leader appends of its own accord");
  const bytes = payloadBytes(proposed);
  const total = raft.uncommittedBytes + bytes;
  if (raft.uncommittedBytes > 0 && bytes > 0 && total > raft.options.maxUncommittedSize) return false;
  const entries: Entry[] = [];
  let index = raft.log.lastIndex();
  for (const one of proposed) {
    const entry = raft.options.createEntry(one, raft.term, ++index);
    assert(entry.term === raft.term && entry.index === index, "the host keeps the place that an entry was given");
    entries.push(entry);
  }
  raft.uncommittedBytes = total;
  raft.log.append(entries);
  // A leader counts itself as it counts others: by an answer that leaves once its own log is durable.
  const acknowledgement = raft.compose("MsgAppResp", raft.id);
  acknowledgement.index = index;
  raft.send(acknowledgement);
  return true;
}

/** Entries were applied: their payload no longer counts. */
export function reduceUncommitted(raft: RaftState, bytes: number): void {
  // Entries of earlier leaders were never counted here.
  raft.uncommittedBytes = Math.max(0, raft.uncommittedBytes - bytes);
}

/** `proposed`, in which changes that are not allowed now have become empty entries (W1). */
function checkConfChanges(raft: RaftState, proposed: readonly ProposedEntry[]): readonly ProposedEntry[] {
  if (proposed.every((one) => one.type === EntryType.normal)) return proposed;
  return proposed.map((one, at) => {
    if (one.type === EntryType.normal) return one;
    const reason = refusal(raft, one);
    if (reason === null) {
      raft.pendingConfIndex = raft.log.lastIndex() + at + 1;
      return one;
    }
    raft.options.trace?.({ kind: "confChangeIgnored", id: raft.id, reason });
    return EMPTY_ENTRY;
  });
}

/** Why the change must not enter the log now; null: it may. */
function refusal(raft: RaftState, proposed: ProposedEntry): string | null {
  const change = tryDecode(proposed);
  if (change === null) return "not a membership change";
  return raft.options.disableConfChangeValidation ? null : confChangeRefusal(raft, change.changes.length === 0);
}

/** Why a leader would not take a change now; null: it would. `leaves`: whether the change is empty. */
export function confChangeRefusal(raft: RaftState, leaves: boolean): string | null {
  if (raft.pendingConfIndex > raft.log.applied) return "a change may not be applied yet";
  if (isJoint(raft.config) && !leaves) return "must transition out of joint config first";
  if (!isJoint(raft.config) && leaves) return "not in joint state; refusing empty conf change";
  return null;
}

function tryDecode(proposed: ProposedEntry): ConfChangeV2 | null {
  try {
    return decodeConfChange(proposed.type, proposed.data);
  } catch (error) {
    if (error instanceof ConfChangeDecodeError) return null;
    throw error;
  }
}
