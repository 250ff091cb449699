/** backlog.ts: what waits behind a reader of a partition. */
import type { Offset } from "@varve/base";

/** What a reader has not read yet. */
export interface Backlog {
  readonly highWatermark: Offset;
  readonly logStart: Offset;
  readonly records: number;
  /** When the next record to read was appended, milliseconds since 1970; null: there is none. */
  readonly appendTimeMs: number | null;
}
