/** pause.ts: SIGSTOP of one broker, and SIGCONT: its connections stay open and nothing answers on them. */
import { type Fault, pickVictim } from "./fault.js";

const FROZEN_MS_MIN = 500;
const FROZEN_MS_MAX = 8_000;

export const pause: Fault = {
  name: "pause",
  does: "SIGSTOP of one broker for up to 8 s: shorter and longer than an election takes",
  run: async (context) => {
    const { cluster, prng, hold, struck } = context;
    const victim = await pickVictim(context);
    cluster.freeze(victim);
    struck(`broker ${victim}`);
    await hold(prng.between(FROZEN_MS_MIN, FROZEN_MS_MAX));
    cluster.thaw(victim);
  },
};
