/**
 * errors.ts: the errors of group coordination, worded once: what happened, whether it took effect, what to do.
 */
import { type BrokerId, VarveError } from "@varve/base";
import { GROUPS_TOPIC } from "@varve/cluster";

export function notCoordinator(shard: number, leader: BrokerId | null): VarveError {
  const where = leader === null ? "no leader is known now" : `broker ${leader} leads it`;
  return new VarveError("NOT_LEADER", {
    message: `this broker does not lead ${GROUPS_TOPIC}/${shard}, ${where}; nothing was changed; ask its leader`,
    details: { topic: GROUPS_TOPIC, partition: shard, leader },
  });
}

export function overloaded(shard: number, pendingMax: number): VarveError {
  return new VarveError("BROKER_OVERLOADED", {
    message: `the coordinator ${GROUPS_TOPIC}/${shard} has ${pendingMax} commands under way; nothing was changed; retry`,
    retryAfterMs: 200,
  });
}

export function commandUnknown(): VarveError {
  return new VarveError("COMMIT_UNKNOWN", {
    message:
      "the group's coordinator changed before the change was committed; it may or may not take effect; look before you repeat it",
  });
}

export function loading(group: string, cause: VarveError): VarveError {
  return new VarveError("COORDINATOR_LOADING", {
    message: `nobody coordinates group ${group} at this moment (${cause.message}); nothing was changed; retry`,
    details: { group },
    retryAfterMs: 250,
    cause,
  });
}

export function unknownGroup(group: string): VarveError {
  return new VarveError("UNKNOWN_GROUP", {
    message: `there is no group ${group}: it has no members and has committed nothing; look with: varve group list`,
    details: { group },
  });
}
