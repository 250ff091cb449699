/** failure-code.ts: the argument of FAILURE frames: who failed, and so what the caller is told. */
export const FailureCode = {
  /** The handler rejected; the payload is its own encoding. */
  handler: 0,
  /** No handler for the method; it did not run. */
  noHandler: 1,
  /** Too many calls are being handled; it did not run. */
  overloaded: 2,
  /** The handler failed in a way that nothing encodes; the payload is a text. */
  internal: 3,
  /** The caller's deadline passed while the handler ran. */
  deadline: 4,
} as const;
