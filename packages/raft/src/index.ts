/**
 * index.ts: the public face of raft-ts.
 */
export { RaftAssertionError } from "./assert.js";
export * from "./errors.js";
export * from "./types.js";
