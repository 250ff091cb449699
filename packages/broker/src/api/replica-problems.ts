/**
 * replica-problems.ts: what a group's replicas lack, in words, by its leader's status; null: nothing. Pure.
 */
import type { ReplicaId } from "@varve/base";
import type { ControllerReplica, Partition } from "@varve/cluster";
import type { GroupStatus } from "../duties/status.js";

type Status = Pick<GroupStatus, "voters" | "inSync">;

/** A partition needs a leader, and of each of its replicas a vote and everything that is committed. */
export function partitionProblem(
  status: Status | undefined,
  { replicas, leaving }: Pick<Partition, "replicas" | "leaving">,
): string | null {
  if (status === undefined) return "has no leader: it takes no records";
  const moving = leaving.length > 0 ? "; its replicas are being moved or made anew" : "";
  return shortage(status, replicas, () => true, moving);
}

/** The controller has a replica on every broker, of which only some are meant to vote; the others learn, and must have learned all, too. */
export function controllerProblem(
  status: Status | undefined,
  replicas: readonly Pick<ControllerReplica, "replicaId" | "voter" | "leaving">[],
): string | null {
  if (status === undefined) return "has no leader: topics, brokers and groups cannot be changed";
  const staying = replicas.filter(({ leaving }) => !leaving);
  return shortage(status, staying, ({ voter }) => voter, "; the others are being caught up, or silent");
}

function shortage<Replica extends { readonly replicaId: ReplicaId }>(
  { voters, inSync }: Status,
  replicas: readonly Replica[],
  votes: (replica: Replica) => boolean,
  why: string,
): string | null {
  const upToDate = replicas.filter(
    (replica) => inSync.includes(replica.replicaId) && (!votes(replica) || voters.includes(replica.replicaId)),
  ).length;
  return upToDate === replicas.length ? null : `has ${upToDate} of ${replicas.length} replicas up to date${why}`;
}
