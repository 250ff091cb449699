/** send-terms.ts: what one send brings along beside its record. */
export interface SendTerms {
  /** When it is given up, on the monotonic clock, ms; counted from its `send`, wherever it waited. */
  readonly deadlineAtMs: number;
  /** Which flushes wait for it: flush-rounds.ts. */
  readonly round: number;
  readonly signal: AbortSignal | undefined;
}
