/** index.ts: consumer groups as a state machine: commands, their codec, and the state that they lead to. */
export type { OverdueMembers, TopicCatalogue, TopicFinding } from "./audit.js";
export { COMMAND_BYTES_MAX, COMMAND_VERSION, decodeCommand, encodeCommand } from "./command-codec.js";
export {
  AWAY_EPOCH,
  type CommitCommand,
  type DeleteGroupCommand,
  type ExpireCommand,
  type GroupCommand,
  type Heartbeat,
  type HeartbeatCommand,
  JOIN_EPOCH,
  LEAVE_EPOCH,
  type OffsetCommit,
  type SeekCommand,
  type StartFrom,
  type TopicMetadata,
  type TopicPartitions,
  type TopicsChangedCommand,
} from "./commands.js";
export { MEMBER_ID_LENGTH_MAX } from "./keys.js";
export { GROUP_LIMITS, type GroupLimits, TIMEOUT_MS_MAX, TIMEOUT_MS_MIN } from "./limits.js";
export {
  type AssignedPartition,
  type AssignedTopic,
  type CommittedPartition,
  expectValue,
  type GroupOutcome,
  type GroupResult,
  type GroupValue,
  type HeartbeatAnswer,
  type Refusal,
  refusalError,
} from "./result.js";
export type { Change, Entry } from "./snapshot.js";
export { GroupsState, type HeartbeatVerdict } from "./state.js";
export type {
  CommittedOffset,
  GroupDescription,
  GroupStatus,
  GroupView,
  MemberView,
  SubscribedTopic,
} from "./views.js";
