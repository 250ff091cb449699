/** scenario.ts: what each scenario is given, and what it must do. */
import type { Prng } from "@varve/base/testing";
import type { Varve } from "@varve/client";
import type { ContainerCluster } from "../containers/container-cluster.js";

export interface ScenarioContext {
  readonly cluster: ContainerCluster;
  readonly prng: Prng;
  /** A client of its own, for questions to the cluster. */
  readonly varve: Varve;
  /** The topic that the load goes to. */
  readonly topic: string;
  readonly images: Images;
  /**
   * Writes down a fault of the history, which lasts while `act` runs.
   * @param name a kind of fault in the words of test/chaos
   * @param target `broker 2` when it takes one broker away and leaves the rest alone: then the checks expect the rest to go on
   */
  readonly fault: (name: string, target: string, act: () => Promise<void>) => Promise<void>;
  /** Waits until every broker is ready and every partition led and fully replicated. */
  readonly whole: () => Promise<void>;
  /** Waits until records are acknowledged on every partition, so many times. */
  readonly acknowledged: (times: number) => Promise<void>;
  /** A line for people. */
  readonly say: (text: string) => void;
}

export interface Images {
  readonly current: string;
  /** null: the commit that it is built from is not there. */
  readonly previous: string | null;
}

export interface Scenario {
  readonly name: string;
  /** One line for people. */
  readonly does: string;
  /** Begins with a cluster that is whole, and ends so. */
  readonly run: (context: ScenarioContext) => Promise<void>;
}

/** A broker that leads partitions of the topic, and is not among `others`. */
export async function pickLeader(context: ScenarioContext, others: readonly number[] = []): Promise<number> {
  const { varve, topic, prng, cluster } = context;
  const { partitions } = await varve.admin.describeTopic(topic);
  const leaders = new Set(partitions.flatMap(({ leader }) => (leader === null ? [] : [leader])));
  const leading = cluster.ids.filter((id) => leaders.has(id) && !others.includes(id));
  return prng.pick(leading.length > 0 ? leading : cluster.ids.filter((id) => !others.includes(id)));
}

/** A command in a broker's container that must end with 0. @returns what it printed. */
export async function mustDo(
  { cluster, say }: ScenarioContext,
  broker: number,
  args: readonly string[],
): Promise<string> {
  const { exitCode, output } = await cluster.varve(broker, args);
  if (exitCode !== 0) throw new Error(`varve ${args.join(" ")} in broker ${broker} ended with ${exitCode}: ${output}`);
  say(`varve ${args.join(" ")}: ${output.trim().split("\n").at(-1)}`);
  return output;
}
