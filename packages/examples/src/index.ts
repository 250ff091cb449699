/** index.ts: nothing to import; each file beside this one is a program of its own (README.md). */
export {};
