/** kill.ts: kill -9 of one broker, and its start on the old data. */
import { type Fault, type FaultContext, leadersOf, partitionsOf, pickVictim } from "./fault.js";

const DOWN_MS_MIN = 200;
const DOWN_MS_MAX = 4_000;
const WHOLE_MS = 60_000;

export const kill: Fault = {
  name: "kill",
  does: "kill -9 of one broker, started again after up to 4 s",
  run: async (context) => {
    const { cluster, prng, hold } = context;
    const victim = await pickVictim(context);
    await strikeDown(context, victim);
    await hold(prng.between(DOWN_MS_MIN, DOWN_MS_MAX));
    await cluster.restart(victim);
    await cluster.ready(victim);
  },
};

/** The same for measuring how long a partition has no leader: always a leader, and always of a whole cluster. */
export const leaderKill: Fault = {
  name: "leader-kill",
  does: "kill -9 of a partition's leader while the cluster is whole; started again at once",
  run: async (context) => {
    const { cluster, prng, whole } = context;
    if (!(await whole(WHOLE_MS))) throw new Error("the cluster is not whole a minute after a leader was killed");
    const leaders = await leadersOf(context);
    if (leaders.length === 0) return;
    const victim = prng.pick(leaders);
    await strikeDown(context, victim);
    await cluster.restart(victim);
    await cluster.ready(victim);
  },
};

async function strikeDown({ cluster, varve, topic, struck, measures }: FaultContext, victim: number): Promise<void> {
  const led = (await partitionsOf(varve, topic)).filter(({ leader }) => leader === victim);
  measures.leaderKilled(led);
  await cluster.kill(victim);
  struck(`broker ${victim}`);
}
