/**
 * watchdog.ts: why a partition with records to work on does not get on. Pure; the consumer looks every second.
 */

/** What is known of a partition that has made no progress for a while. */
export interface PartitionFacts {
  readonly sinceMs: number;
  /** Records between the committable offset and the high watermark, as far as known. */
  readonly lagRecords: number;
  readonly isPaused: boolean;
  /** A record in work for the longest time: its name and how long. */
  readonly inWork: { readonly name: string; readonly ms: number } | null;
  /** A record that waits for its next attempt. */
  readonly retrying: { readonly name: string; readonly attempt: number; readonly error: unknown } | null;
  /** Fetched, and not taken. */
  readonly isFetched: boolean;
  readonly fetchTrouble: Error | null;
  readonly fetchSilentMs: number;
  /** The coordinator has been silent for longer than the session timeout. */
  readonly coordinatorSilentMs: number | null;
  readonly coordinatorTrouble: Error | null;
}

/** Why it stands still, and what helps: `refetch`: asking for its records anew. */
export interface Stall {
  readonly reason: string;
  readonly cure: "none" | "refetch";
}

/** Null: it does not stall. */
export function stallOf(facts: PartitionFacts, stallTimeoutMs: number): Stall | null {
  const { inWork, retrying, fetchTrouble } = facts;
  if (facts.lagRecords <= 0 || facts.isPaused || facts.sinceMs < stallTimeoutMs) return null;
  if (facts.coordinatorSilentMs !== null) {
    return stall(silenceReason(facts.coordinatorSilentMs, facts.coordinatorTrouble));
  }
  if (inWork !== null) return stall(`the handler has been working on ${inWork.name} for ${seconds(inWork.ms)}`);
  if (retrying !== null) {
    return stall(
      `the handler failed on ${retrying.name} ${retrying.attempt - 1} times, last with: ${textOf(retrying.error)}`,
    );
  }
  if (fetchTrouble !== null) return stall(`its records cannot be fetched: ${fetchTrouble.message}`);
  if (facts.isFetched)
    return stall("its records are fetched and wait for a free place; other partitions' handlers hold all of them");
  return { reason: `no broker has sent its records for ${seconds(facts.fetchSilentMs)}; asking anew`, cure: "refetch" };
}

/** That nobody coordinates the group, for how long, and what is known of why. */
export function silenceReason(silentMs: number, trouble: Error | null): string {
  const why = trouble === null ? "" : `: ${trouble.message}`;
  return `the group's coordinator has not answered for ${seconds(silentMs)}${why}`;
}

function stall(reason: string): Stall {
  return { reason, cure: "none" };
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

/** What a thrown value says of itself. */
export function textOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
