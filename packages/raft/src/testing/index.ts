/**
 * index.ts: in-memory storage and network of raft-ts, for its own tests, for simulators and for hosts' tests.
 */
export { MemoryStorage } from "./memory-storage.js";
export { testChange, testChanges, testConf, testEntry, testLog, testMessage, testProposal } from "./samples.js";
export { TEST_ELECTION_TICKS, TestCluster, TestNode, type TestSettings } from "./test-cluster.js";
