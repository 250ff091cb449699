/** clock.ts: the wall clock of one broker jumps, by seconds up to a day, ahead or back; later it jumps back, or stays wrong. */
import { DAY_MS, SECOND_MS } from "@varve/base";
import { type Fault, pickVictim } from "./fault.js";

const WRONG_MS_MIN = 1_000;
const WRONG_MS_MAX = 6_000;
const JUMPS_MS = [2 * SECOND_MS, 60 * SECOND_MS, 3_600 * SECOND_MS, DAY_MS] as const;
const STAYS_RATIO = 0.3;

export const clock: Fault = {
  name: "clock",
  does: "the wall clock of one broker jumps by up to a day, ahead or back, and mostly comes right again",
  needs: "clock",
  run: async (context) => {
    const { cluster, prng, hold, struck } = context;
    const victim = await pickVictim(context);
    const jumpMs = prng.pick(JUMPS_MS) * (prng.chance(0.5) ? 1 : -1);
    cluster.sabotageOf(victim).setClock(jumpMs);
    struck(`broker ${victim} by ${jumpMs / SECOND_MS} s`);
    await hold(prng.between(WRONG_MS_MIN, WRONG_MS_MAX));
    if (!prng.chance(STAYS_RATIO)) cluster.sabotageOf(victim).setClock(0);
  },
};
