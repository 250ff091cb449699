/**
 * index.ts: the public face of raft-ts.
 */
export { type Change, type ConfChangeV2, decodeConfChange, encodeConfChange } from "./hedge/conf-change.js";
export type { NodeState, Progress, RaftConfig } from "./hedge/config.js";
export { RawNode, type Ready } from "./hedge/core.js";
export * from "./hedge/types.js";
