/** index.ts: the real disk and WAL thread of a Node.js process. */
export { nodeDisk } from "./disk.js";
export { nodeWalThread } from "./wal-thread.js";
