/**
 * replica-problems.ts: what a group's replicas lack, in words, by its leader's status; null: nothing. Pure.
 */
import type { ReplicaId } from "@varve/base";
import type { ControllerReplica, Partition } from "@varve/cluster";
import { voterTarget } from "../duties/controller-voters.js";
import type { GroupStatus } from "../duties/status.js";

type Status = Pick<GroupStatus, "voters" | "inSync">;

/** A partition needs a leader, and of each of its replicas a vote and everything that is committed. */
export function partitionProblem(
  status: Status | undefined,
  { replicas, leaving }: Pick<Partition, "replicas" | "leaving">,
): string | null {
  if (status === undefined) return "has no leader: it takes no records";
  const moving = leaving.length > 0 ? "; its replicas are being moved or made anew" : "";
  return shortage(status, replicas, ({ replicaId }) => status.voters.includes(replicaId), moving);
}

/**
 * The controller has a replica on every broker. Some vote, as many as its leader makes voters by and by (`duties/controller-voters.ts`); the others
 * learn, and must have learned all, too.
 */
export function controllerProblem(
  status: Status | undefined,
  replicas: readonly Pick<ControllerReplica, "replicaId" | "leaving">[],
): string | null {
  if (status === undefined) return "has no leader: topics, brokers and groups cannot be changed";
  const staying = replicas.filter(({ leaving }) => !leaving);
  const target = voterTarget(staying.length);
  const votes = staying.filter(({ replicaId }) => status.voters.includes(replicaId)).length;
  if (votes < target) return `has ${votes} of ${target} voters; others are being caught up, or silent`;
  return shortage(status, staying, () => true, "; the others are being caught up, or silent");
}

function shortage(
  { inSync }: Status,
  replicas: readonly { readonly replicaId: ReplicaId }[],
  counts: (replica: { readonly replicaId: ReplicaId }) => boolean,
  why: string,
): string | null {
  const upToDate = replicas.filter((replica) => inSync.includes(replica.replicaId) && counts(replica)).length;
  return upToDate === replicas.length ? null : `has ${upToDate} of ${replicas.length} replicas up to date${why}`;
}
