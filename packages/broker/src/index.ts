/** index.ts: a broker's settings and its parts; what runs one is in `@varve/broker/node`. */
export { Broker } from "./broker.js";
export type { BrokerPorts, BrokerSettings } from "./broker-settings.js";
export { type BrokerConfig, type ConfigReferenceRow, configReference, parseConfig } from "./config/index.js";
export { DiskHung } from "./duties/disk-duty.js";
export { VERSION } from "./version.js";
