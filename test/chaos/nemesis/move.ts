/** move.ts: the replicas of a partition move to other brokers, one of which may be killed in the middle of it. */
import type { Prng } from "@varve/base/testing";
import { waitUntil } from "../clock.js";
import type { Fault, FaultContext } from "./fault.js";

const REPLICAS = 3;
const KILL_RATIO = 0.5;
const BEFORE_KILL_MS_MAX = 1_000;
const DOWN_MS_MAX = 2_000;
const DONE_MS = 120_000;
/** A broker that is told that it is no member any more has ended within this. */
const OUTSIDE_MS = 10_000;

export const move: Fault = {
  name: "move",
  does: "the replicas of a partition move to other brokers, and half of the time one of them is killed meanwhile",
  unavailable: (brokers) => (brokers <= REPLICAS ? `--brokers ${REPLICAS + 1} or more leave room to move to` : null),
  run: async (context) => {
    const { cluster, prng, varve, topic, partitions, struck } = context;
    const partition = prng.between(0, partitions - 1);
    const brokers = shuffled(cluster.ids, prng).slice(0, REPLICAS);
    await varve.admin.movePartition({ topic, partition, brokers });
    struck(`partition ${partition} to brokers ${brokers.join(" ")}`);
    if (prng.chance(KILL_RATIO)) await killMeanwhile(context, null);
    await movesEnd(context);
  },
};

/**
 * Kills one broker while replicas move, and starts it again.
 * @param leaving the broker that is leaving the cluster, if one is: killed and started, it may find itself outside, and then ends by itself.
 */
export async function killMeanwhile(context: FaultContext, leaving: number | null): Promise<void> {
  const { cluster, prng, hold } = context;
  await hold(prng.between(0, BEFORE_KILL_MS_MAX));
  const victim = prng.pick(cluster.ids);
  await cluster.kill(victim);
  await hold(prng.between(0, DOWN_MS_MAX));
  await cluster.restart(victim);
  try {
    await cluster.ready(victim);
  } catch (error) {
    if (victim !== leaving || (await isRegistered(context, victim))) throw error;
    await cluster.endsItself(victim, OUTSIDE_MS);
  }
}

async function isRegistered({ varve }: FaultContext, broker: number): Promise<boolean> {
  const { brokers } = await varve.admin.describeCluster();
  return brokers.some(({ id }) => id === broker);
}

/** Waits until nothing moves any more. @throws Error when it takes too long. */
export async function movesEnd({ varve }: FaultContext): Promise<void> {
  await waitUntil("all replicas have moved", DONE_MS, async () => {
    const moves = await varve.admin.listMoves();
    return moves.length === 0 || JSON.stringify(moves.slice(0, 2));
  });
}

function shuffled(ids: readonly number[], prng: Prng): number[] {
  const left = [...ids];
  return ids.flatMap(() => left.splice(prng.between(0, left.length - 1), 1));
}
