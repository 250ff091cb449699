/** index.ts: a broker's settings: the table, the parser, the reference, and what follows from them for addresses and topics. */
export { formatHostPort, type HostPort, isLoopback, isWildcard, parseHostPort } from "./address.js";
export { type AdvertisedAddresses, advertisedAddresses, type BoundPorts } from "./advertised.js";
export { type ExposedListener, exposedInPlain } from "./exposed.js";
export { invalidConfig, judgeConfig, parseConfig } from "./parse-config.js";
export { type ConfigReferenceRow, configReference } from "./reference.js";
export type { BrokerConfig } from "./settings.js";
export { settingsFrom } from "./settings-from.js";
export type { Environment } from "./template.js";
export { checkPartitions, completeTopicShape, type TopicShape } from "./topic-policy.js";
