/** move.ts: the replicas of a partition move to other brokers, one of which may be killed in the middle of it. */
import type { Prng } from "@varve/base/testing";
import { waitUntil } from "../clock.js";
import type { Fault, FaultContext } from "./fault.js";

const REPLICAS = 3;
const KILL_RATIO = 0.5;
const BEFORE_KILL_MS_MAX = 1_000;
const DOWN_MS_MAX = 2_000;
const DONE_MS = 120_000;

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
    if (prng.chance(KILL_RATIO)) await killMeanwhile(context);
    await movesEnd(context);
  },
};

/** Kills one broker while replicas move, and starts it again. */
export async function killMeanwhile({ cluster, prng, hold }: FaultContext): Promise<void> {
  await hold(prng.between(0, BEFORE_KILL_MS_MAX));
  const victim = prng.pick(cluster.ids);
  await cluster.kill(victim);
  await hold(prng.between(0, DOWN_MS_MAX));
  await cluster.restart(victim);
  await cluster.ready(victim);
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
