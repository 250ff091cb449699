/** index.ts: this machine's disk and a WAL thread. */
export { nodeDisk } from "./disk.js";
export { nodeWalThread } from "./wal-thread.js";
