/**
 * controller-voters.ts: who of the brokers shall vote in the controller's group. Pure.
 *
 * Three voters, or five from five brokers on (design, section 7); everyone else learns. Who votes already stays, unless it is leaving, or has
 * been silent for so long that another takes its place. Only replicas that have caught up are chosen.
 */
import type { ReplicaId } from "@varve/base";

export interface ControllerMember {
  readonly replicaId: ReplicaId;
  readonly leaving: boolean;
}

export interface MemberFacts {
  readonly isVoter: (replica: ReplicaId) => boolean;
  readonly isCaughtUp: (replica: ReplicaId) => boolean;
  /** Silent for longer than a restart takes. */
  readonly isDead: (replica: ReplicaId) => boolean;
}

/** Voters of the controller's group: three, or five from five brokers on. */
export function voterTarget(brokerCount: number): number {
  return brokerCount >= 5 ? 5 : Math.min(3, brokerCount);
}

/** The wanted voters, in the order of the replica ids. */
export function wantedVoters(members: readonly ControllerMember[], facts: MemberFacts): ReplicaId[] {
  const staying = members.filter(({ leaving }) => !leaving).map(({ replicaId }) => replicaId);
  const target = voterTarget(staying.length);
  const voters = staying.filter(facts.isVoter);
  const alive = voters.filter((id) => !facts.isDead(id));
  const dead = voters.filter(facts.isDead);
  const fresh = staying.filter((id) => !facts.isVoter(id) && facts.isCaughtUp(id));
  // A dead voter stays one until another can take its place: its absence must not make the majority smaller.
  return [...alive, ...fresh, ...dead].slice(0, target).sort((left, right) => left - right);
}
