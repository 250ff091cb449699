/**
 * browser.ts: what a bundler for browsers gets in place of the SDK: an error that says why, as soon as it is loaded.
 *
 * Invariants:
 *   W1  it has every name that index.ts has at run time, so that a bundle can be built and this error is the one that is seen
 *   W2  it imports nothing
 *
 * Source: the condition `browser` in this package's `exports` (https://nodejs.org/api/packages.html#community-conditions-definitions).
 */
export const Varve = undefined;
export const VarveError = undefined;
export const json = undefined;

throw new Error(
  "@varve/client runs on Node.js, not in a browser: browsers cannot open the gRPC connections that it needs. " +
    "Use it in a server and give the browser an HTTP or WebSocket endpoint of your own; " +
    "in a test that imitates a browser (jsdom), choose the environment `node`.",
);
