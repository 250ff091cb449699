/** index.ts: the controller's state machine: commands, their codec, the state that they lead to, and the topic settings. */
export { TOPIC_DEFAULTS } from "./apply-topics.js";
export { COMMAND_BYTES_MAX, COMMAND_VERSION, decodeCommand, encodeCommand } from "./command-codec.js";
export type {
  AddPartitionsCommand,
  AllocateProducerIdsCommand,
  AlterTopicCommand,
  ControllerCommand,
  ControllerReplicasLeftCommand,
  CreateTopicCommand,
  DecommissionBrokerCommand,
  DeleteTopicCommand,
  DirectoryProof,
  DrainBrokerCommand,
  FoundingCommand,
  FoundingVoter,
  JoinBrokerCommand,
  RegisterBrokerCommand,
  RenewControllerReplicaCommand,
  RenewReplicaCommand,
  ReplaceBrokerCommand,
  ReplicasLeftCommand,
  SetControllerVotersCommand,
  SetReplicasCommand,
} from "./commands.js";
export { GROUPS_TOPIC, isInternalTopic } from "./internal-topics.js";
export {
  type Broker,
  type BrokerEndpoints,
  CLUSTER_LIMITS,
  type ControllerReplica,
  type GroupReplica,
  type Partition,
  type ReplicaAssignment,
  rangesOf,
  type Topic,
} from "./model.js";
export type { ApplyContext } from "./outcome.js";
export { type CommandResult, type CommandValue, expectValue, type Refusal, refusalError } from "./result.js";
export { ControllerState } from "./state.js";
export {
  effectiveTopicConfig,
  isTopicConfigKey,
  TOPIC_CONFIG,
  TOPIC_CONFIG_KEYS,
  type TopicConfig,
  type TopicConfigKey,
  type TopicConfigOverrides,
  type TopicConfigPatch,
  type TopicConfigRow,
  topicConfigProblems,
  UNLIMITED,
} from "./topic-config.js";
