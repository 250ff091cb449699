/** index.ts: the public face of this package: links between brokers. Adapters: `@varve/peer/node`, `@varve/peer/testing`. */
export * from "./api.js";
export { createPeerHub } from "./hub.js";
