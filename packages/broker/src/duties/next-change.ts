/**
 * next-change.ts: the next step that brings a group's configuration to what is wanted. Pure: the group's leader asks again after each
 * step, and so does whoever leads next, so that a crash between two steps costs nothing.
 *
 * Order: what lost its directory's data goes first, since a fresh replica waits for its place; new replicas learn; once all have caught up,
 * one joint change makes them voters and lets the unwanted ones go; a leader that is unwanted hands over before it goes.
 * Invariants:
 *   N1  a replica votes only after its log was known to be complete (thesis 4.2.1)
 *   N2  no step begins while the configuration is joint, and none removes a voter when those that stay and answer are no majority
 *   N3  a leader never removes itself
 * Source: Ongaro's thesis, chapter 4; KIP-853 for replicas bound to a directory.
 */
import type { ReplicaId } from "@varve/base";
import type { ReplicaSet } from "@varve/storage";
import type { ConfChangeSingle } from "raft-ts";

/** A group as its leader sees it, and what is wanted of it. */
export interface GroupView {
  readonly self: ReplicaId;
  readonly config: ReplicaSet;
  readonly voters: readonly WantedVoter[];
  /** Wanted, but not to vote. */
  readonly learners: readonly ReplicaId[];
  /** Unwanted, and remembered until they are out. */
  readonly leaving: readonly ReplicaId[];
  /** Answers its leader now. */
  readonly isActive: (replica: ReplicaId) => boolean;
  /** Active, and its log lacks next to nothing of what is committed. */
  readonly isCaughtUp: (replica: ReplicaId) => boolean;
}

export interface WantedVoter {
  readonly replicaId: ReplicaId;
  /** The unwanted replica on the same directory, which has to go first; null: there is none. */
  readonly after: ReplicaId | null;
}

export type NextStep =
  /** All is as wanted. */
  | { readonly kind: "rest" }
  /** Nothing to do until something else has happened. */
  | { readonly kind: "wait"; readonly reason: string }
  | { readonly kind: "change"; readonly changes: readonly ConfChangeSingle[] }
  /** Let one of these lead, the first that can. */
  | { readonly kind: "handOver"; readonly to: readonly ReplicaId[] }
  /** These are out: whoever remembers them may forget them. */
  | { readonly kind: "left"; readonly replicaIds: readonly ReplicaId[] };

export function nextChange(view: GroupView): NextStep {
  const { config, leaving } = view;
  if (config.votersOutgoing.length > 0) return { kind: "wait", reason: "the last change is not complete" };
  const known = new Set([...config.voters, ...config.learners, ...config.learnersNext]);
  const out = leaving.filter((id) => !known.has(id));
  if (out.length > 0) return { kind: "left", replicaIds: out };
  return dropLearner(view) ?? makeRoom(view) ?? teach(view, known) ?? changeVoters(view);
}

function dropLearner({ config, voters, learners }: GroupView): NextStep | null {
  const unwanted = config.learners.find(
    (id) => !learners.includes(id) && !voters.some((voter) => voter.replicaId === id),
  );
  return unwanted === undefined ? null : change([{ type: "removeNode", nodeId: unwanted }]);
}

/** A voter whose directory has to hold its successor is removed as soon as the others can do without it. */
function makeRoom(view: GroupView): NextStep | null {
  const { config, voters, self } = view;
  const occupier = voters.find(({ after }) => after !== null && after !== self && config.voters.includes(after))?.after;
  if (occupier == null) return null;
  const staying = config.voters.filter((id) => id !== occupier);
  if (!isActiveMajority(view, staying)) return { kind: "wait", reason: "too few other voters answer" };
  return change([{ type: "removeNode", nodeId: occupier }]);
}

function teach({ voters, learners }: GroupView, known: ReadonlySet<ReplicaId>): NextStep | null {
  const free = voters.filter(({ after }) => after === null).map(({ replicaId }) => replicaId);
  const missing = [...free, ...learners].find((id) => !known.has(id));
  return missing === undefined ? null : change([{ type: "addLearner", nodeId: missing }]);
}

function changeVoters(view: GroupView): NextStep {
  const { config, voters, learners, self } = view;
  const wanted = voters.map(({ replicaId }) => replicaId);
  const joining = wanted.filter((id) => !config.voters.includes(id));
  const behind = joining.filter((id) => !config.learners.includes(id) || !view.isCaughtUp(id));
  if (behind.length > 0) return { kind: "wait", reason: `replicas ${behind.join(", ")} are catching up` };
  const unwanted = config.voters.filter((id) => !wanted.includes(id));
  const going = unwanted.filter((id) => id !== self);
  if (joining.length + going.length > 0) {
    const staying = [...config.voters.filter((id) => !going.includes(id)), ...joining];
    if (!isActiveMajority(view, staying)) return { kind: "wait", reason: "too few of the wanted voters answer" };
    return change([
      ...joining.map((nodeId) => ({ type: "addVoter", nodeId }) as const),
      ...going.map((nodeId) => ({ type: learners.includes(nodeId) ? "addLearner" : "removeNode", nodeId }) as const),
    ]);
  }
  return unwanted.length > 0 ? { kind: "handOver", to: wanted } : { kind: "rest" };
}

function isActiveMajority({ self, isActive }: GroupView, voters: readonly ReplicaId[]): boolean {
  return voters.filter((id) => id === self || isActive(id)).length > voters.length / 2;
}

function change(changes: readonly ConfChangeSingle[]): NextStep {
  return { kind: "change", changes };
}
