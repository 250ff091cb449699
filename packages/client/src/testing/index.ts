/** index.ts: a model of a cluster behind the public API, for tests of programs that use the client. */
export { ModelCluster, type ModelClusterOptions, type ProduceFate } from "./model-cluster.js";
export { ModelGroups } from "./model-groups.js";
export { ModelPartition } from "./model-partition.js";
export { SimClient, type SimClientOptions } from "./sim-client.js";
