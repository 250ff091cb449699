/** index.ts: simulated networks. */
export {};
