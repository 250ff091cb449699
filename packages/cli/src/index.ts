/** index.ts: the command line as a library: run it in one's own process, run brokers as processes, read what `varve dev` says about its own. */
export { BrokerProcess, type ProcessEnd } from "./brokers/broker-process.js";
export { type BrokerPlace, bootstrapOf, placeBrokers } from "./brokers/layout.js";
export { findFreePorts } from "./brokers/ports.js";
export { type DevBroker, type DevFile, readDevFile } from "./dev/dev-file.js";
export { main } from "./main.js";
export { LocalBrokers } from "./quickstart/local-brokers.js";
