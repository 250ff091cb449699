/** index.ts: a Varve cluster inside a test's own process. */
export { type StartClusterOptions, startCluster, type TestCluster } from "./start-cluster.js";
