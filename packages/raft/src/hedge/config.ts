/** config.ts: what a node is told, and what it knows of each peer. */
import type { Entry, ProposedEntry, RaftStorage } from "./types.js";

export type NodeState = "follower" | "preCandidate" | "candidate" | "leader";
export interface Progress {
  match: number;
  next: number;
  state: "probe" | "replicate" | "snapshot";
  pendingSnapshot: number;
  recentActive: boolean;
  paused: boolean;
  inflight: { last: number; bytes: number }[];
  inflightBytes: number;
}
export interface RaftConfig {
  readonly id: number;
  readonly storage: RaftStorage;
  readonly applied: number;
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  readonly asyncStorageWrites: boolean;
  readonly stepDownOnRemoval: boolean;
  readonly disableProposalForwarding: boolean;
  readonly maxSizePerMessage: number;
  readonly maxCommittedSizePerReady: number;
  readonly maxUncommittedSize: number;
  readonly maxInflightMessages: number;
  readonly maxInflightBytes: number;
  readonly random: (n: number) => number;
  readonly createEntry?: (p: ProposedEntry, term: number, index: number) => Entry;
  readonly faults?: { readonly commitOldTerm?: boolean };
}
