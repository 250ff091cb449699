/**
 * founding-note.ts: what a broker has promised about its cluster, kept durably beside node.json.
 *
 * Invariant N1: a promise or a membership, once written, is reported ever after and never replaced by another.
 */
import { type BrokerId, type ClusterId, type DirectoryId, type ReplicaId, VarveError } from "@varve/base";
import type { ReplicaSet } from "@varve/storage";

/** A first voter of the controller's group. */
export interface FoundingVoter {
  readonly brokerId: BrokerId;
  readonly directoryId: DirectoryId;
  readonly replicaId: ReplicaId;
  readonly peerAddress: string;
}

/** The cluster that a founder proposes; every seed must promise it before it exists. */
export interface Founding {
  readonly clusterId: ClusterId;
  /** The seed addresses in order, joined by commas. Two lists that differ never found together. */
  readonly seedList: string;
  readonly voters: readonly FoundingVoter[];
}

/** How this directory came to belong to a cluster. */
export type FoundingNote =
  | { readonly kind: "promised"; readonly founding: Founding }
  | {
      readonly kind: "joined";
      readonly clusterId: ClusterId;
      readonly replicaId: ReplicaId;
      readonly voters: readonly FoundingVoter[];
    };

export function encodeNote(note: FoundingNote): string {
  return JSON.stringify({ version: 1, ...note });
}

/** @throws VarveError DATA_DIR_UNUSABLE when the text is no note of a version known here. */
export function decodeNote(text: string): FoundingNote {
  try {
    const raw = JSON.parse(text) as { version?: unknown; kind?: unknown };
    if (raw.version === 1 && (raw.kind === "promised" || raw.kind === "joined")) return raw as unknown as FoundingNote;
  } catch {
    // Falls through to the one error below.
  }
  throw new VarveError("DATA_DIR_UNUSABLE", {
    message:
      "the founding note of this data directory cannot be read; it was damaged or written by a newer version; nothing was changed",
  });
}

/** The configuration of group 0 before its first entry. */
export function initialReplicas(voters: readonly FoundingVoter[]): ReplicaSet {
  return {
    voters: voters.map(({ replicaId }) => replicaId),
    learners: [],
    votersOutgoing: [],
    learnersNext: [],
    autoLeave: false,
  };
}
