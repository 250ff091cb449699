/** index.ts: the public face of this package. */
export {};
