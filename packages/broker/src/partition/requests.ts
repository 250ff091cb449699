/**
 * requests.ts: what is asked of a partition, and what it answers, whichever listener the call came from.
 */
import type { Offset, Term } from "@varve/base";
import type { ReadResult } from "@varve/storage";

/** When a produce request is answered. */
export type Acks = "quorum" | "leader" | "none";

export interface ProduceRequest {
  /** One record batch v2; its base offset and leader epoch are overwritten. Owned by the partition from now on. */
  readonly batch: Uint8Array;
  readonly acks: Acks;
  /** Epoch that the caller believes in; 0 = whichever is current. */
  readonly epoch: Term;
  readonly timeoutMs: number;
}

export interface ProduceResult {
  readonly baseOffset: Offset;
  readonly epoch: Term;
  readonly appendTimeMs: number;
  readonly duplicate: boolean;
  /** On a majority's disks. False for acks `leader` and `none`. */
  readonly committed: boolean;
}

export interface ReadRequest {
  readonly offset: Offset;
  readonly bytesMax: number;
  /** Wait until at least this many bytes are there, or `waitMs` passed. */
  readonly bytesMin: number;
  readonly waitMs: number;
  /** Epoch that the caller believes in; 0 = whichever is current. */
  readonly epoch: Term;
  /** Epoch of the last batch the caller has read; 0 = none. */
  readonly lastFetchedEpoch: Term;
  readonly signal?: AbortSignal;
}

export interface ReadAnswer extends ReadResult {
  readonly highWatermark: Offset;
  readonly logStart: Offset;
  readonly epoch: Term;
}
