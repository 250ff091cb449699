/** kill.ts: kill -9 of one broker, and its start on the old data. */
import { type Fault, pickVictim } from "./fault.js";

const DOWN_MS_MIN = 200;
const DOWN_MS_MAX = 4_000;

export const kill: Fault = {
  name: "kill",
  does: "kill -9 of one broker, started again after up to 4 s",
  run: async (context) => {
    const { cluster, prng, hold, struck } = context;
    const victim = await pickVictim(context);
    await cluster.kill(victim);
    struck(`broker ${victim}`);
    await hold(prng.between(DOWN_MS_MIN, DOWN_MS_MAX));
    await cluster.restart(victim);
    await cluster.ready(victim);
  },
};
