/** plan.ts: what a load is told when it starts, and what it answers to those who steer it. */
import type { TlsOptions } from "@varve/client";

export interface LoadPlan {
  /** `host:port[,...]` */
  readonly bootstrap: string;
  readonly tls: TlsOptions | null;
  /** The load's alone: what others have sent there would count as lost, or as read twice. Begins with `OWN_PREFIX`, and begins its groups' names. */
  readonly topic: string;
  readonly partitions: number;
  readonly replicas: number;
  readonly bytesPerSecond: number;
  readonly recordBytes: number;
  /** Where the history is written. */
  readonly folder: string;
  /** Of the control server, on 127.0.0.1. */
  readonly controlPort: number;
  readonly seed: number;
}

/**
 * 5 MB/s in records of 20 kB: a partition of six acknowledges every 24 ms, so that a gap of a tenth of a second is seen; and a history of ten minutes,
 * which the load keeps in memory, takes some 150 MB.
 */
export const LOAD_DEFAULTS = { partitions: 6, replicas: 3, bytesPerSecond: 5_000_000, recordBytes: 20_000 } as const;
export const CONTROL_PORT = 7_700;

/** Of every load's topic and groups, so that they are known by their names when the load is gone. */
export const OWN_PREFIX = "load-";

/** What the names of a load's groups begin with: members of two loads in one group would take each other's work. */
export function groupPrefixOf({ topic }: Pick<LoadPlan, "topic">): string {
  return `${topic}-`;
}

/** Longest time without an acknowledgement in each partition, milliseconds. */
export type Gaps = readonly { readonly partition: number; readonly ms: number }[];

export interface LoadStatus {
  readonly acknowledged: number;
  /** Sends that were refused, and sends of which nobody knows. */
  readonly failed: number;
  readonly unknown: number;
  /** Since the last fault began. */
  readonly gaps: Gaps;
}

export interface LoadEnd extends LoadStatus {
  readonly events: number;
  /** What went wrong beside the history: readers or groups that did not come to the end, members that ended by themselves. */
  readonly problems: readonly string[];
}

/** @throws Error naming what is missing. */
export function parsePlan(text: string | undefined): LoadPlan {
  const given = JSON.parse(text ?? "null") as Partial<LoadPlan> | null;
  const { bootstrap, topic, folder } = given ?? {};
  if (bootstrap === undefined || topic === undefined || folder === undefined)
    throw new Error("LOAD_PLAN must be JSON with bootstrap, topic and folder");
  return { tls: null, controlPort: CONTROL_PORT, seed: 1, ...LOAD_DEFAULTS, ...given, bootstrap, topic, folder };
}
