/**
 * types.ts: the vocabulary of the core: entries, configurations, messages, the storage port and the outputs.
 *
 * Representation:
 *   T1  ids, terms and indexes are non-negative integers below 2^53; 0 means "none" for ids, "before the log" for indexes
 *   T2  entries and snapshots of the host pass through by reference and are never copied or changed
 *   T3  every Message has every field, in one order, so that all of them share one hidden class
 * Source: Raft paper (figure 2), Raft thesis chapters 3, 4 and 6; message names are those that users of etcd raft know.
 */

/** What an entry means to the core. `normal` entries are opaque; the others change the membership when applied. */
export const EntryType = { normal: 0, confChange: 1, confChangeV2: 2 } as const;
/** One of the values of {@link EntryType}. */
export type EntryType = (typeof EntryType)[keyof typeof EntryType];

/** One entry of the replicated log. Hosts may use objects with more fields: see `RaftConfig.createEntry`. */
export interface Entry {
  readonly term: number;
  readonly index: number;
  readonly type: EntryType;
  readonly data: Uint8Array;
}

/** What a host hands to `propose`. May carry more fields, which `RaftConfig.createEntry` sees. */
export interface ProposedEntry {
  readonly type: EntryType;
  readonly data: Uint8Array;
}

/** A membership, as stored with a snapshot. `votersOutgoing` is not empty while the configuration is joint. */
export interface ConfState {
  readonly voters: readonly number[];
  readonly learners: readonly number[];
  /** Voters of the configuration that is being left; empty unless joint. */
  readonly votersOutgoing: readonly number[];
  /** Outgoing voters that become learners when the joint configuration is left. */
  readonly learnersNext: readonly number[];
  /** Whether the leader proposes the end of the joint configuration by itself. */
  readonly autoLeave: boolean;
}

/** What must survive a crash besides the log. `vote` 0: no vote in this term. */
export interface HardState {
  readonly term: number;
  readonly vote: number;
  readonly commit: number;
}

/** A point of the log from which a replica can start, and the membership at that point. */
export interface Snapshot {
  readonly metadata: { readonly index: number; readonly term: number; readonly confState: ConfState };
  readonly data: Uint8Array;
}

/** One elementary membership change. A node id of 0 is ignored. */
export interface ConfChangeSingle {
  readonly type: ConfChangeType;
  readonly nodeId: number;
}

/** `updateNode` changes nothing in the core: it carries a blob through the log for the host. */
export type ConfChangeType = "addVoter" | "addLearner" | "removeNode" | "updateNode";

/** A membership change of one step (thesis section 4.1). */
export interface ConfChange extends ConfChangeSingle {
  readonly context: Uint8Array;
}

/**
 * Whether a change goes through a joint configuration, and who ends it. `auto`: joint only if there is more than one
 * change, left by the leader itself. `jointImplicit`: always joint, left by the leader. `jointExplicit`: always joint,
 * left by proposing an empty change.
 */
export type ConfChangeTransition = "auto" | "jointImplicit" | "jointExplicit";

/** A membership change of any size (thesis section 4.3). `auto` with no changes leaves the joint configuration. */
export interface ConfChangeV2 {
  readonly transition: ConfChangeTransition;
  readonly changes: readonly ConfChangeSingle[];
  readonly context: Uint8Array;
}

/** Messages between nodes, and between a node and its own storage threads (`MsgStorage*`). */
export type MessageType =
  | "MsgApp"
  | "MsgAppResp"
  | "MsgVote"
  | "MsgVoteResp"
  | "MsgPreVote"
  | "MsgPreVoteResp"
  | "MsgHeartbeat"
  | "MsgHeartbeatResp"
  | "MsgSnap"
  | "MsgProp"
  | "MsgReadIndex"
  | "MsgReadIndexResp"
  | "MsgTransferLeader"
  | "MsgTimeoutNow"
  | "MsgStorageAppend"
  | "MsgStorageAppendResp"
  | "MsgStorageApply"
  | "MsgStorageApplyResp";

/** Names one read of a host, chosen by the host, returned in `ReadState`. Unique among the reads under way of a node. */
export type ReadContext = number | string;

/** Context of a vote request that a leader asked for: it is granted although that leader is still heard. */
export const CAMPAIGN_TRANSFER = "transfer";

/** Target of `MsgStorageAppend` and sender of its response; never a node id. */
export const APPEND_THREAD = -1;
/** Target of `MsgStorageApply` and sender of its response; never a node id. */
export const APPLY_THREAD = -2;

/** A message. Fields that a type does not use hold 0, false, null or an empty list. */
export interface Message<E extends Entry = Entry, S extends Snapshot = Snapshot> {
  readonly type: MessageType;
  readonly from: number;
  readonly to: number;
  /** Term of the sender; 0 for messages of one node to itself and for forwarded proposals and reads. */
  readonly term: number;
  /** Term of the entry at `index`; in a refused `MsgAppResp`, the term at `rejectHint`. */
  readonly logTerm: number;
  readonly index: number;
  readonly entries: readonly E[];
  readonly commit: number;
  /** Only in `MsgStorageAppend`: with term and commit the hard state to write, if any of them is not 0. */
  readonly vote: number;
  readonly reject: boolean;
  /** Where the sender of a refused `MsgAppResp` guesses that the logs may still agree. */
  readonly rejectHint: number;
  readonly context: ReadContext | null;
  readonly snapshot: S | null;
  /** Only in `MsgStorage*`: send these once the work is done (and durable, for an append). */
  readonly responses: readonly Message<E, S>[];
}

/** What a node is in its term. */
export type NodeState = "follower" | "preCandidate" | "candidate" | "leader";

/** Facts that need not survive a crash. `leader` 0: unknown. */
export interface SoftState {
  readonly leader: number;
  readonly state: NodeState;
}

/** The read named `context` may be served by any state machine that has applied `index`. */
export interface ReadState {
  readonly index: number;
  readonly context: ReadContext;
}

/**
 * All that the host must do after some steps; the core does none of it itself.
 *
 * Synchronous mode: write `snapshot`, always durably, then `entries` and `hardState`, durably if `mustSync`; then send
 * `messages`; apply `committedEntries`; then call `advance()`.
 *
 * Asynchronous mode (`asyncStorageWrites`): `messages` says it all. What is addressed to another node may leave at
 * once, except `MsgVote`: hold it until the `MsgStorageAppend` of the same Ready, and all before it, are durable, as if
 * it were one of its responses. Else a candidate that crashes and stands again in that term can win with votes that
 * were given to a log it lost. A `MsgStorageAppend` goes to the log writer, in order: its `responses` may be sent or
 * stepped only after its snapshot, entries and hard state are durable. A `MsgStorageApply` goes to the state machine, in order, and its
 * responses are stepped once the entries are applied. There is no `advance()`. A snapshot replaces the state machine when
 * it is stored; entries at or below its index that were given out for application before are skipped then.
 */
export interface Ready<E extends Entry = Entry, S extends Snapshot = Snapshot> {
  /** Null if unchanged since the last Ready. */
  readonly softState: SoftState | null;
  /** Null if unchanged since the last Ready. */
  readonly hardState: HardState | null;
  readonly entries: readonly E[];
  readonly committedEntries: readonly E[];
  readonly messages: readonly Message<E, S>[];
  readonly snapshot: S | null;
  readonly readStates: readonly ReadState[];
  /**
   * Whether `hardState` and `entries` must be durable before the messages leave; false: the commit index only. It does
   * not speak of `snapshot`, which always must be: its answer is among the messages, and a leader that was told of it
   * never goes back behind it.
   */
  readonly mustSync: boolean;
}

/**
 * What the core reads of the stable log. It never writes: writes are asked for in Ready. Calls are synchronous and
 * must see every append whose response has been stepped (or that was written before `advance()`).
 */
export interface RaftStorage<E extends Entry = Entry, S extends Snapshot = Snapshot> {
  /** Read once, at construction. */
  initialState(): { readonly hardState: HardState; readonly confState: ConfState };
  /** Index of the first entry that `entries` can give. */
  firstIndex(): number;
  /** Index of the last entry; `firstIndex() - 1` if there is none. */
  lastIndex(): number;
  /** Term of the entry at `index`, known from `firstIndex() - 1` to `lastIndex()`. */
  term(index: number): number | "compacted" | "unavailable";
  /**
   * Entries from `lo` up to, not including, `hi`; cut when the next one would exceed `bytesMax` (by
   * `RaftConfig.entrySize`), but never empty. "pending": the host loads them and then calls `RawNode.retry(to)`;
   * until then, or until the follower answers a heartbeat, nothing is sent to it.
   */
  entries(lo: number, hi: number, bytesMax: number): readonly E[] | "compacted" | "unavailable" | "pending";
  /** A snapshot not older than `firstIndex() - 1`. "pending": none at hand; asked again after a heartbeat round. */
  snapshot(): S | "pending";
}

/** Deliberate errors for negative controls. Only simulators set them: each one breaks safety. */
export interface RaftFaults {
  /** Commits entries of earlier terms by counting replicas, against figure 8 of the paper. */
  readonly commitOldTerm?: boolean;
}

/** State transitions, for logs and traces. */
export type TraceEvent =
  | {
      readonly kind: "state";
      readonly id: number;
      readonly term: number;
      readonly state: NodeState;
      readonly leader: number;
    }
  | { readonly kind: "configuration"; readonly id: number; readonly confState: ConfState }
  | { readonly kind: "confChangeIgnored"; readonly id: number; readonly reason: string }
  | { readonly kind: "snapshotSent"; readonly id: number; readonly to: number; readonly index: number }
  | { readonly kind: "snapshotRestored"; readonly id: number; readonly index: number; readonly term: number };

/** Settings of one node. Optional ones default to "off" or "no limit". */
export interface RaftConfig<
  E extends Entry = Entry,
  S extends Snapshot = Snapshot,
  P extends ProposedEntry = ProposedEntry,
> {
  /** This node; greater than 0. */
  readonly id: number;
  readonly storage: RaftStorage<E, S>;
  /** Ticks without a leader's message until an election; a random 1x to 2x of this. Greater than `heartbeatTicks`. */
  readonly electionTicks: number;
  /** Ticks between two heartbeats of a leader; at least 1. */
  readonly heartbeatTicks: number;
  /** Draws an integer from 0 up to, not including, `endExclusive`. */
  readonly random: (endExclusive: number) => number;
  /** Index that the state machine has applied already; 0: start after the storage's first index. */
  readonly applied?: number;
  /** Ask whether an election could be won before starting one (thesis section 9.6). */
  readonly preVote?: boolean;
  /** A leader that hears no quorum for an election timeout steps down; votes are refused while a leader is heard. */
  readonly checkQuorum?: boolean;
  /** Append and apply as messages: see {@link Ready}. */
  readonly asyncStorageWrites?: boolean;
  /** Entry bytes of one `MsgApp`; one entry always goes. */
  readonly maxSizePerMessage?: number;
  /** Entry bytes given out and not yet applied; one entry always goes. Default: `maxSizePerMessage`. */
  readonly maxCommittedSizePerReady?: number;
  /** Payload bytes of a leader's unapplied proposals; further ones are dropped. One proposal always goes. */
  readonly maxUncommittedSize?: number;
  /** `MsgApp` messages under way to one follower. */
  readonly maxInflightMessages?: number;
  /** Payload bytes under way to one follower; one message always goes. */
  readonly maxInflightBytes?: number;
  /** Followers drop proposals instead of passing them to the leader. */
  readonly disableProposalForwarding?: boolean;
  /** Conf changes enter the log unchecked; the host makes bad ones ineffective when it applies them. */
  readonly disableConfChangeValidation?: boolean;
  /** A leader that is no longer a voter becomes a follower when it applies that change. */
  readonly stepDownOnRemoval?: boolean;
  /**
   * Makes the host's own entry object when this node, as leader, appends: for proposals, forwarded ones and conf
   * changes, and for its no-op (type normal, empty data). Default: a plain {@link Entry}.
   */
  readonly createEntry?: (proposed: P | ProposedEntry, term: number, index: number) => E;
  /** Bytes that an entry counts in messages and in pages of committed entries. Default: payload and a small header. */
  readonly entrySize?: (entry: E) => number;
  /** Called at state transitions. Must not call back into the node. */
  readonly trace?: (event: TraceEvent) => void;
  /** Only for simulators' negative controls. */
  readonly faults?: RaftFaults;
}

/** How a leader replicates to one node. */
export type ProgressState = "probe" | "replicate" | "snapshot";

/** What a leader knows of one node. Live views change with the next step. */
export interface ProgressView {
  readonly state: ProgressState;
  /** Highest index known to be durable there. */
  readonly match: number;
  /** Index of the next entry to send. */
  readonly next: number;
  readonly isLearner: boolean;
  /** Whether it answered since the last check of the quorum. */
  readonly recentActive: boolean;
  /** Whether it answered since then or in the interval before: unlike `recentActive` this does not fall at every check, for all at once. */
  readonly isAnswering: boolean;
  /** Index of the snapshot under way; 0: none. */
  readonly pendingSnapshot: number;
  /** Whether nothing is sent until it answers. */
  readonly isPaused: boolean;
  readonly inflightCount: number;
  readonly inflightFull: boolean;
}

/** A node at one moment. */
export interface Status {
  readonly id: number;
  readonly state: NodeState;
  readonly leader: number;
  readonly hardState: HardState;
  readonly applied: number;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly transferee: number;
  readonly confState: ConfState;
  /** By node id, ascending; empty unless this node leads. */
  readonly progress: ReadonlyMap<number, ProgressView>;
}
