/** fault.ts: what each kind of fault is given, and what it must do. */
import type { Prng } from "@varve/base/testing";
import type { PartitionDetails, Varve } from "@varve/client";
import type { ChaosCluster } from "../cluster/chaos-cluster.js";
import type { Power } from "../cluster/sabotage.js";
import type { GroupLoad } from "../groups/group-load.js";
import type { Recorder } from "../recorder.js";
import type { Measures } from "../report/measures.js";

export interface FaultContext {
  readonly cluster: ChaosCluster;
  readonly prng: Prng;
  /** A client of its own, for questions to the cluster. */
  readonly varve: Varve;
  readonly topic: string;
  readonly partitions: number;
  readonly recorder: Recorder;
  readonly measures: Measures;
  /** Groups of workers; null: the run has none. */
  readonly groups: GroupLoad | null;
  /** Whether every broker is ready and every partition led and fully replicated, now or within so long. */
  readonly whole: (deadlineMs: number) => Promise<boolean>;
  /** Lets the fault last that long, less in a run of brief ones, or until the run is over. */
  readonly hold: (ms: number) => Promise<void>;
  /** Lets it last exactly so long, or until the run is over: for a fault that is none when it is shorter. */
  readonly holdFor: (ms: number) => Promise<void>;
  /**
   * Writes down that the fault has hit. Called at most once, when it has.
   * @param target `broker 2` when it takes one broker away and leaves the rest alone: then the checks expect the rest to go on.
   * @param how more of it, for people.
   */
  readonly struck: (target: string, how?: string) => void;
}

export interface Fault {
  readonly name: string;
  /** One line for people: what breaks and how it is mended. */
  readonly does: string;
  /** What it does from inside the processes, which must be started for it. */
  readonly needs?: Power;
  /** Breaks what no promise covers, so that the checks have something to find; not among `all`. */
  readonly isControl?: boolean;
  /** It does to links what only proxies can. */
  readonly needsProxies?: boolean;
  /** It breaks members of groups. */
  readonly needsGroups?: boolean;
  /** Why this machine or this run cannot have it; null: it can. */
  readonly unavailable?: (brokers: number) => string | null;
  /** Breaks, holds, mends. Processes and links are as before when it resolves; the cluster may still be recovering. */
  readonly run: (context: FaultContext) => Promise<void>;
}

/** A broker that leads something more often than not: faults of leaders are the ones that cost. */
export async function pickVictim(context: FaultContext): Promise<number> {
  const { cluster, prng } = context;
  const running = cluster.ids.filter((id) => cluster.stateOf(id) === "running");
  if (prng.chance(0.4)) return prng.pick(running);
  const leaders = await leadersOf(context);
  const leading = running.filter((id) => leaders.includes(id));
  return prng.pick(leading.length > 0 ? leading : running);
}

/** Brokers that lead partitions of the topic, one name for each; none when nobody says so soon. */
export async function leadersOf({ varve, topic }: FaultContext): Promise<readonly number[]> {
  return (await partitionsOf(varve, topic)).flatMap(({ leader }) => (leader === null ? [] : [leader]));
}

const ASK_MS = 2_000;

/** The topic's partitions as the cluster sees them now; none when it does not answer soon. */
export async function partitionsOf(varve: Varve, topic: string): Promise<readonly PartitionDetails[]> {
  const asked = varve.admin.describeTopic(topic, { signal: AbortSignal.timeout(ASK_MS) });
  return asked.then(
    ({ partitions }) => partitions,
    () => [],
  );
}
