/**
 * s09-configurations-overlap.ts: any quorum of a configuration and any of the next one have a replica in common, and one change ends before
 * the next begins.
 *
 * Source: Raft thesis 4.1 and 4.3; Ongaro, "bug in single-server membership changes", raft-dev 2015.
 */
import type { GroupLog, ReplicaSet } from "@varve/storage";
import { hold } from "../violation.js";

interface ConfigAt {
  readonly index: number;
  readonly replicas: ReplicaSet;
}

export class ConfigurationsOverlap {
  private readonly byGroup = new Map<number, ConfigAt[]>();

  /** The configuration before the first entry. */
  begins(groupId: number, initial: ReplicaSet): void {
    if (!this.byGroup.has(groupId)) this.byGroup.set(groupId, [{ index: 0, replicas: initial }]);
  }

  /** A replica applies the change at `index`. */
  onChanged(groupId: number, index: number, replicas: ReplicaSet): void {
    const known = this.byGroup.get(groupId) ?? [];
    const last = known[known.length - 1];
    if (last === undefined || index <= last.index) return;
    const text = `group ${groupId} index ${index}: ${textOf(last.replicas)} -> ${textOf(replicas)}`;
    hold("S9", doOverlap(last.replicas, replicas), () => `${text}: two quorums without a common replica`);
    const isMidway = last.replicas.votersOutgoing.length > 0;
    hold("S9", !isMidway || isSame(last.replicas.voters, replicas.voters), () => `${text}: two changes at once`);
    known.push({ index, replicas });
  }

  /** A recovered log has the configuration that its applied entries led to. */
  onRecovered(log: GroupLog): void {
    const { groupId, replicaId } = log.spec;
    const { appliedIndex } = log.pointers();
    const expected = this.byGroup.get(groupId)?.findLast(({ index }) => index <= appliedIndex);
    hold(
      "S9",
      expected === undefined || textOf(expected.replicas) === textOf(log.replicas),
      () =>
        `replica ${replicaId} recovers ${textOf(log.replicas)} at ${appliedIndex}, its log says ${textOf(expected?.replicas ?? log.replicas)}`,
    );
  }

  /**
   * Those that may have been in effect when `index` was committed. A change counts once its leader has applied it, which may be later than what
   * follows it in the log is committed; but the next change is proposed only then.
   */
  at(groupId: number, index: number): ReplicaSet[] {
    const known = this.byGroup.get(groupId) ?? [];
    const before = known.findLastIndex((each) => each.index < index);
    return known.slice(Math.max(0, before - 1)).map(({ replicas }) => replicas);
  }
}

/** Both halves of a joint configuration must agree, so one pair of halves whose majorities always meet is enough. */
export function doOverlap(left: ReplicaSet, right: ReplicaSet): boolean {
  return halves(left).some((one) => halves(right).some((other) => doMeet(one, other)));
}

function halves({ voters, votersOutgoing }: ReplicaSet): (readonly number[])[] {
  return [voters, votersOutgoing].filter(({ length }) => length > 0);
}

function doMeet(one: readonly number[], other: readonly number[]): boolean {
  return majority(one) + majority(other) > new Set([...one, ...other]).size;
}

function majority({ length }: readonly number[]): number {
  return Math.floor(length / 2) + 1;
}

function isSame(left: readonly number[], right: readonly number[]): boolean {
  return left.length === right.length && left.every((id) => right.includes(id));
}

function textOf({ voters, votersOutgoing }: ReplicaSet): string {
  return `${voters.join(",")}${votersOutgoing.length > 0 ? ` with ${votersOutgoing.join(",")}` : ""}`;
}
