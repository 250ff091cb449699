/** index.ts: what runs a broker in a Node.js process. */

export { CLUSTER_URI } from "@varve/peer/node";
export type { DataDirReport, LogReport, SegmentReport } from "@varve/storage";
export { DiskHung } from "../duties/disk-duty.js";
export { nativeCodec } from "./codec.js";
export { inspectDataDir } from "./inspect.js";
export { type LmdbStoreOptions, lmdbStores } from "./lmdb-store.js";
export { configFileProblems, loadConfigFile } from "./load-config-file.js";
export { createLogger } from "./logger.js";
export { type PortOverrides, type RunningBroker, runBroker } from "./run-broker.js";
