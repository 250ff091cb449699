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
  FinalizeLevelCommand,
  FoundingCommand,
  FoundingVoter,
  JoinBrokerCommand,
  RegisterBrokerCommand,
  RenewControllerReplicaCommand,
  RenewReplicaCommand,
  ReplaceBrokerCommand,
  ReplicasLeftCommand,
  SetReplicasCommand,
} from "./commands.js";
export {
  FEATURE_LEVELS,
  type FeatureLevel,
  FIRST_LEVEL,
  INTERNAL_MOVES_LEVEL,
  levelProblem,
  peerProtocols,
  SUPPORTED_LEVELS,
} from "./feature-levels.js";
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
export {
  planRebalance,
  type RebalanceMove,
  type RebalancePlan,
  type RebalanceRequest,
  rebalanceSteps,
} from "./rebalance.js";
export type { RebalancePartition } from "./rebalance-layout.js";
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
