/** delay.ts: a network that is slow: each piece of data takes a time of its own, in order, on all links of one broker or of everybody. */
import { type Fault, pickVictim } from "./fault.js";

const SLOW_MS_MIN = 2_000;
const SLOW_MS_MAX = 8_000;
/** The slowest way is longer than a heartbeat and shorter than an election timeout: leaders hold, or just do not. */
const DELAYS_MS = [
  [5, 40],
  [20, 200],
  [100, 900],
] as const;

export const delay: Fault = {
  name: "delay",
  does: "every piece of data between brokers takes up to 40, 200 or 900 ms, for up to 8 s",
  unavailable: (brokers) => (brokers < 2 ? "one broker has no links" : null),
  needsProxies: true,
  run: async (context) => {
    const { cluster, prng, hold, struck } = context;
    const { network, ids } = cluster;
    const [delayMsMin, delayMsMax] = prng.pick(DELAYS_MS);
    const state = { kind: "slow", delayMsMin, delayMsMax } as const;
    const victims = prng.chance(0.5) ? ids : [await pickVictim(context)];
    for (const id of victims)
      await network.divide(
        [id],
        ids.filter((other) => other !== id),
        state,
      );
    struck(`${delayMsMin} to ${delayMsMax} ms around ${victims.join(" ")}`);
    await hold(prng.between(SLOW_MS_MIN, SLOW_MS_MAX));
    await network.heal();
  },
};
