/**
 * index.ts: the public face of raft-ts.
 */
export { RaftAssertionError } from "./assert.js";
export * from "./core/confchange.js";
export { decodeConfChange, encodeConfChange } from "./core/confchange-codec.js";
export * from "./core/configuration.js";
export { emptyMessage } from "./core/messages.js";
export { type FlowLimits, Progress } from "./core/progress.js";
export * from "./core/quorum.js";
export * from "./errors.js";
export { RawNode, type StepOutcome } from "./raw-node.js";
export * from "./types.js";
