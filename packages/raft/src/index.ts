/** index.ts: the public face of raft-ts. */
export { RaftAssertionError } from "./assert.js";
export { decodeConfChange, encodeConfChange } from "./core/confchange-codec.js";
export { emptyMessage } from "./core/messages.js";
export { ConfChangeDecodeError, ConfChangeError, ProposalDropped, type ProposalDroppedReason } from "./errors.js";
export { RawNode, type StepOutcome } from "./raw-node.js";
export * from "./types.js";
