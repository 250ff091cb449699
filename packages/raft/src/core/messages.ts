/**
 * messages.ts: makes messages, all of one shape.
 *
 * Invariants:
 *   T3  every message has every field in the same order
 */
import type { Entry, Message, MessageType } from "../types.js";

/** A message while its sender still fills it in. */
export type Draft = { -readonly [Field in keyof Message]: Message[Field] };

const NO_ENTRIES: readonly Entry[] = Object.freeze([]);
const NO_RESPONSES: readonly Message[] = Object.freeze([]);

/** A message whose other fields are empty. */
export function draft(type: MessageType, from: number, to: number): Draft {
  return {
    type,
    from,
    to,
    term: 0,
    logTerm: 0,
    index: 0,
    entries: NO_ENTRIES,
    commit: 0,
    vote: 0,
    reject: false,
    rejectHint: 0,
    context: null,
    snapshot: null,
    responses: NO_RESPONSES,
  };
}

/** A message whose other fields are empty, for hosts that decode messages from bytes. */
export function emptyMessage(type: MessageType, from: number, to: number): Message {
  return draft(type, from, to);
}

/** Whether `id` is one of this node's own storage threads. */
export function isLocalTarget(id: number): boolean {
  return id < 0;
}

/** Whether only the storage threads of the node itself may send this. */
export function isStorageMessage(type: MessageType): boolean {
  switch (type) {
    case "MsgStorageAppend":
    case "MsgStorageAppendResp":
    case "MsgStorageApply":
    case "MsgStorageApplyResp":
      return true;
    default:
      return false;
  }
}

/** Whether this answers something, so that only a member can have a reason to send it. */
export function isResponse(type: MessageType): boolean {
  switch (type) {
    case "MsgAppResp":
    case "MsgVoteResp":
    case "MsgPreVoteResp":
    case "MsgHeartbeatResp":
    case "MsgReadIndexResp":
    case "MsgStorageAppendResp":
    case "MsgStorageApplyResp":
      return true;
    default:
      return false;
  }
}
