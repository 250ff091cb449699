/**
 * worker-report.ts: what a worker of the quickstart's group says: a line of JSON for each thing that happens, written before anything else
 * happens. So a worker that dies by kill -9 has said all that it did, but for a last line that it may have begun.
 */

/** A partition that a worker begins with. */
export interface BegunPartition {
  readonly partition: number;
  /** Names the assignment of the partition. */
  readonly epoch: number;
  readonly startOffset: number;
}

/** `handing` numbers the calls of a worker's handler from 1. */
export type WorkerReport =
  | { readonly type: "assigned"; readonly partitions: readonly BegunPartition[] }
  /** Let go of in order. */
  | { readonly type: "revoked"; readonly partitions: readonly number[] }
  /** The group took the worker for dead. */
  | { readonly type: "lost"; readonly partitions: readonly number[] }
  /** A record was handed to the handler; `key` in base64, `atMs` of `machineMs`. */
  | {
      readonly type: "handed";
      readonly handing: number;
      readonly atMs: number;
      readonly partition: number;
      readonly offset: number;
      readonly key: string | null;
    }
  /** The handler is done with that record; said before the record may count as finished, and so before it may be committed. */
  | { readonly type: "finished"; readonly handing: number };

export type HandedReport = Extract<WorkerReport, { readonly type: "handed" }>;

/** The machine's monotonic clock, which all processes share. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
