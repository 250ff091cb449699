/** group-report.ts: what a worker process says, line by line, and who said it. */

/** A partition that a worker begins with. */
export interface BegunPartition {
  readonly partition: number;
  readonly epoch: number;
  readonly startOffset: number;
}

/** A record in a worker's hands. */
export interface HandledRecord {
  readonly partition: number;
  readonly offset: number;
  readonly key: string;
}

/** One line of a worker; `atMs` is of the machine's monotonic clock, which all processes share. */
export type Report = { readonly atMs: number } & (
  | { readonly type: "begun"; readonly pid: number }
  | { readonly type: "assigned"; readonly partitions: readonly BegunPartition[] }
  | { readonly type: "revoked"; readonly partitions: readonly number[] }
  | { readonly type: "lost"; readonly partitions: readonly number[]; readonly code: string }
  | { readonly type: "stalled"; readonly reason: string; readonly partition: number | null }
  | { readonly type: "error"; readonly message: string; readonly code: string | null }
  | { readonly type: "log"; readonly level: string; readonly message: string; readonly records: readonly string[] }
  | ({ readonly type: "started" } & HandledRecord)
  | ({ readonly type: "done" } & HandledRecord)
  /** run() ended; `code` is null when it resolved, or rejected with something that has no code. */
  | { readonly type: "over"; readonly code: string | null; readonly message: string }
);

export type ReportOf<Type extends Report["type"]> = Extract<Report, { readonly type: Type }>;

/** The machine's monotonic clock, as the workers read it. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
