/** index.ts: the command line as a library: run it in one's own process, and read what `varve dev` says about its brokers. */
export { type DevBroker, type DevFile, readDevFile } from "./dev/dev-file.js";
export { main } from "./main.js";
export { LocalBrokers } from "./quickstart/local-brokers.js";
