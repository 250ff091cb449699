/** types.ts: the vocabulary of the core (Raft paper figure 2; names as etcd users know them). Indexes and terms are integers; 0 = none. */
export const EntryType = { normal: 0, confChange: 1, confChangeV2: 2 } as const;
export type EntryType = (typeof EntryType)[keyof typeof EntryType];
export interface Entry {
  readonly term: number;
  readonly index: number;
  readonly type: EntryType;
  readonly data: Uint8Array;
}
export interface ProposedEntry {
  readonly type: EntryType;
  readonly data: Uint8Array;
}
export interface ConfState {
  readonly voters: readonly number[];
  readonly learners: readonly number[];
  readonly votersOutgoing: readonly number[];
  readonly learnersNext: readonly number[];
  readonly autoLeave: boolean;
}
export interface HardState {
  readonly term: number;
  readonly vote: number;
  readonly commit: number;
}
export interface Snapshot {
  readonly metadata: { readonly index: number; readonly term: number; readonly confState: ConfState };
  readonly data: Uint8Array;
}
export type MessageType =
  | "MsgHup"
  | "MsgBeat"
  | "MsgProp"
  | "MsgApp"
  | "MsgAppResp"
  | "MsgVote"
  | "MsgVoteResp"
  | "MsgPreVote"
  | "MsgPreVoteResp"
  | "MsgSnap"
  | "MsgHeartbeat"
  | "MsgHeartbeatResp"
  | "MsgUnreachable"
  | "MsgSnapStatus"
  | "MsgCheckQuorum"
  | "MsgTransferLeader"
  | "MsgTimeoutNow"
  | "MsgReadIndex"
  | "MsgReadIndexResp"
  | "MsgStorageAppend"
  | "MsgStorageAppendResp"
  | "MsgStorageApply"
  | "MsgStorageApplyResp";
export interface Message {
  readonly type: MessageType;
  readonly from: number;
  readonly to: number;
  readonly term: number;
  readonly logTerm: number;
  readonly index: number;
  readonly entries: readonly Entry[];
  readonly commit: number;
  readonly vote: number;
  readonly snapshot: Snapshot | null;
  readonly reject: boolean;
  readonly rejectHint: number;
  readonly context: number | string | null;
  readonly responses: readonly Message[];
}
export type ReadContext = number | string;
export interface ReadState {
  readonly index: number;
  readonly context: ReadContext;
}
export interface RaftStorage {
  initialState(): { readonly hardState: HardState; readonly confState: ConfState };
  firstIndex(): number;
  lastIndex(): number;
  term(index: number): number | "compacted" | "unavailable";
  entries(lo: number, hi: number, bytesMax: number): readonly Entry[] | "compacted" | "unavailable" | "pending";
  snapshot(): Snapshot | "pending";
}
export const APPEND_THREAD = 2 ** 53 - 1;
export const APPLY_THREAD = 2 ** 53 - 2;
export function emptyMessage(type: MessageType, from: number, to: number): Message {
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
    snapshot: null,
    reject: false,
    rejectHint: 0,
    context: null,
    responses: NO_RESPONSES,
  };
}
const NO_ENTRIES: readonly Entry[] = [];
const NO_RESPONSES: readonly Message[] = [];
export class ProposalDropped extends Error {
  override readonly name = "ProposalDropped";
}
