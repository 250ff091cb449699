/**
 * controller-log.ts: the log of group 0 in this directory; where it is damaged or lost, a fresh one, once the others have let the old one go.
 *
 * Invariants:
 *   W1  what was lost is deleted only after its replica has left the group, by a change that a majority of the others committed
 *   W2  the fresh replica has another id: what the old one voted and acknowledged binds nobody any more
 * Source: KIP-853 (replicas bound to a directory); reliability rules 8 and 14 of the design: never rejoin as the old replica.
 */
import { CONTROLLER_GROUP, isVarveError, type Logger } from "@varve/base";
import { effectiveTopicConfig } from "@varve/cluster";
import type { GroupLog, Storage } from "@varve/storage";
import { initialReplicas } from "./founding-note.js";
import type { Member, Membership } from "./membership.js";

export interface ControllerLogOptions {
  readonly storage: Storage;
  readonly membership: Membership;
  readonly logger: Logger;
}

export interface ControllerLog {
  readonly log: GroupLog;
  readonly member: Member;
  /** Made just now. */
  readonly isNew: boolean;
}

/** Group 0 belongs to no topic. */
const CONTROLLER_TOPIC_ID = "00000000-0000-0000-0000-000000000000";

/** Runs until the log can be used, or until `signal`. @throws VarveError DATA_DIR_UNUSABLE: the cluster refuses this directory. */
export async function openControllerLog(
  options: ControllerLogOptions,
  member: Member,
  signal: AbortSignal,
): Promise<ControllerLog> {
  const { storage, membership, logger } = options;
  const existing = storage.group(CONTROLLER_GROUP);
  // A start that ended between the news of the fresh replica and the end of the old one.
  if (existing !== null && existing.spec.replicaId !== member.replicaId) await storage.dropGroup(CONTROLLER_GROUP);
  else if (existing !== null && existing.quarantine === null) return { log: existing, member, isNew: false };
  const damage = existing?.spec.replicaId === member.replicaId ? existing.quarantine : null;
  const log = damage === null ? await create(storage, member) : damage;
  if (typeof log !== "string") return { log, member, isNew: true };
  logger.error(
    { why: log },
    "the controller's log here is damaged: it is made anew as soon as the others have let it go",
  );
  const renewed = await membership.renew(member, signal);
  if (storage.group(CONTROLLER_GROUP) !== null) await storage.dropGroup(CONTROLLER_GROUP);
  else await storage.forgetLost(CONTROLLER_GROUP, member.replicaId);
  logger.info({ replicaId: renewed.replicaId }, "a fresh replica of the controller takes the place of the damaged one");
  return openControllerLog(options, renewed, signal);
}

/** The new log; text: this directory had one and has lost it, and how. */
async function create(storage: Storage, { replicaId, voters }: Member): Promise<GroupLog | string> {
  const spec = {
    groupId: CONTROLLER_GROUP,
    replicaId,
    topicId: CONTROLLER_TOPIC_ID,
    partition: 0,
    kind: "state" as const,
    initial: initialReplicas(voters),
  };
  try {
    return await storage.createGroup(spec, effectiveTopicConfig({ retentionMs: -1 }));
  } catch (error) {
    if (!isVarveError(error) || error.code !== "REPLICA_QUARANTINED") throw error;
    return error.message;
  }
}
