/**
 * founding-note.ts: what a broker has promised about its cluster, kept durably beside node.json.
 *
 * Invariant N1: a promise or a membership, once written, is reported ever after and never replaced by that of another cluster. Only the replica
 * id of a membership changes, when the controller has given this directory a fresh replica in the place of a lost one.
 */
import { type BrokerId, type ClusterId, type DirectoryId, type ReplicaId, shape, VarveError } from "@varve/base";
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

const { count, list, object, oneOf, open, text } = shape;
const TEXT_LENGTH_MAX = 65_536;
const VOTERS_MAX = 1_000;

const words = text(TEXT_LENGTH_MAX);

/** Voters as brokers tell each other. */
export const readVoters = list(
  open<FoundingVoter>({ brokerId: count, directoryId: words, replicaId: count, peerAddress: words }),
  VOTERS_MAX,
);

/** A founding as its founder proposes it. */
export const readFounding = open<Founding>({ clusterId: words, seedList: words, voters: readVoters });

const readPromised = object({ version: versionOne, kind: oneOf("promised"), founding: readFounding });
const readJoined = object({
  version: versionOne,
  kind: oneOf("joined"),
  clusterId: words,
  replicaId: count,
  voters: readVoters,
});

/** The only version of notes. */
function versionOne(value: unknown, path: string): 1 {
  if (value === 1) return 1;
  throw new shape.ShapeError(`${path}: expected 1`);
}

/** A note as brokers tell each other. */
export function readNote(value: unknown, path: string): FoundingNote {
  const isJoined = typeof value === "object" && value !== null && "kind" in value && value.kind === "joined";
  const { version: _version, ...note } = isJoined ? readJoined(value, path) : readPromised(value, path);
  return note;
}

export function encodeNote(note: FoundingNote): string {
  return JSON.stringify({ version: 1, ...note });
}

/** @throws VarveError DATA_DIR_UNUSABLE when the text is no note of a version known here. */
export function decodeNote(noteText: string): FoundingNote {
  try {
    return readNote(JSON.parse(noteText), "note");
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
