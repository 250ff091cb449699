/**
 * limits.ts: what bounds the memory of one shard of groups. Beyond each limit the command is refused and changes nothing.
 *
 * They are part of the state machine, so they are the same on every broker: no setting changes them.
 */
import { KIB } from "@varve/base";

export interface GroupLimits {
  /** Groups of the shard. Default 10,000. */
  readonly groupsMax: number;
  /** Members of one group. Default 1,000. */
  readonly membersPerGroupMax: number;
  /** Bytes in UTF-8 of a member's client id, host and static id together, and of the note beside one commit. Default 4,096. */
  readonly metadataBytesMax: number;
  /** Committed offsets of one group. Default 100,000. */
  readonly offsetsPerGroupMax: number;
  /** Topics in one member's subscription. Default 1,000. */
  readonly topicsPerMemberMax: number;
}

export const GROUP_LIMITS: GroupLimits = {
  groupsMax: 10_000,
  membersPerGroupMax: 1_000,
  metadataBytesMax: 4 * KIB,
  offsetsPerGroupMax: 100_000,
  topicsPerMemberMax: 1_000,
};

/** Shortest and longest session and rebalance timeout that a member may ask for. */
export const TIMEOUT_MS_MIN = 100;
export const TIMEOUT_MS_MAX = 86_400_000;

/** Member ids that a static id remembers as replaced, so that they hear FENCED_INSTANCE; older ones hear UNKNOWN_MEMBER. */
export const REPLACED_IDS_MAX = 8;
