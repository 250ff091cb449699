/** index.ts: the broker's inner parts, for programs that put them together under simulated ports. */
export { type BrokerServices, brokerServices } from "../api/services.js";
export { Broker } from "../broker.js";
export type { BrokerPorts, BrokerSettings } from "../broker-settings.js";
export { settingsFrom } from "../config/index.js";
export { Coordinator } from "../groups/coordinator.js";
export { ByteBudget } from "../partition/byte-budget.js";
export {
  Partition,
  type PartitionOptions,
  type ProduceRequest,
  type ProduceResult,
  type ReadAnswer,
  type ReadRequest,
} from "../partition/partition.js";
export { PeerKind } from "../peer-kinds.js";
export { ReplicaHost, type ReplicaHostOptions, type ReplicaLinks } from "../replica/host.js";
export {
  type Addressed,
  decodeMessage,
  encodeMessage,
  type MessageHead,
  messageHead,
} from "../replica/message-codec.js";
export { Replica, type Role, type StateMachine } from "../replica/replica.js";
