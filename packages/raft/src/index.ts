/** index.ts: the public face of this package. */
export * from "./hedge/types.js";
export { RawNode, encodeConfChange, decodeConfChange, type ConfChangeV2, type Progress, type RaftConfig } from "./hedge/core.js";
