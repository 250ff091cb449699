/** index.ts: a broker's settings and its parts; what runs one is in `@varve/broker/node`. */
export { Broker, type BrokerPorts, type BrokerSettings } from "./broker.js";
export { type BrokerConfig, type ConfigReferenceRow, configReference, parseConfig } from "./config/index.js";
export { VERSION } from "./version.js";
