/** reset.ts: every connection to one broker breaks, of peers and of clients, in the middle of whatever was on it. */
import { type Fault, pickVictim } from "./fault.js";

const TIMES_MAX = 5;
const BETWEEN_MS_MAX = 400;

export const reset: Fault = {
  name: "reset",
  does: "all connections to one broker break, up to five times in a row",
  needsProxies: true,
  run: async (context) => {
    const { cluster, prng, hold, struck } = context;
    const victim = await pickVictim(context);
    struck(`broker ${victim}`);
    const times = prng.between(1, TIMES_MAX);
    for (let time = 0; time < times; time++) {
      cluster.network.reset(victim);
      await hold(prng.between(0, BETWEEN_MS_MAX));
    }
  },
};
