/** index.ts: the Varve SDK. */
export {
  type CompressionKind,
  type Effect,
  type ErrorCode,
  type ErrorDetails,
  type Logger,
  VarveError,
} from "@varve/base";
export type { Admin } from "./admin/admin.js";
export type {
  GroupDescription,
  GroupListing,
  GroupMemberDetails,
  GroupPartitionDetails,
  GroupStateName,
  SeekGroupInput,
  SeekGroupResult,
} from "./admin/groups.js";
export type {
  BrokerBalance,
  BrokerDetails,
  ClusterDescription,
  ClusterHealth,
  CreatedTopic,
  CreateTopicInput,
  HealthProblem,
  OffsetPoint,
  PartitionDetails,
  PartitionMove,
  PartitionOffset,
  PlannedMove,
  RebalancePlan,
  TopicConfig,
  TopicDescription,
  TopicListing,
  TopicSettings,
} from "./admin/shapes.js";
export type { Consumer } from "./consumer/consumer.js";
export type { AssignedTopicPartition, ConsumerEvents } from "./consumer/events.js";
export type {
  ConsumerOptions,
  ErrorDecision,
  GivenPartition,
  HandlerContext,
  PartitionSelector,
  RunOptions,
  TopicPartition,
  TopicPartitionOffset,
} from "./consumer/options.js";
export type { StalledEvent } from "./consumer/stall-finder.js";
export { Varve } from "./node/varve.js";
export type { TlsOptions, VarveOptions, WaitOptions } from "./options.js";
export type { DiagnosticsChannel } from "./ports.js";
export type { AcksName, PartitionerName, ProducerOptions, RecordToSend, SendResult } from "./producer/options.js";
export type { Producer } from "./producer/producer.js";
export type { ReaderOptions, ReadFrom, ReadTo } from "./reader/options.js";
export type { Reader, ReaderProgress } from "./reader/reader.js";
export type { Data, HeadersInput } from "./records/input.js";
export type { VarveRecord } from "./records/output.js";
export { json, type Serde } from "./records/serde.js";
