/**
 * leader-cut.ts: a leader is cut off from all other brokers, and clients still reach it: until it notices it believes that it leads, while the others
 * elect another one. Whatever it acknowledges then is lost.
 */
import { type Fault, leadersOf } from "./fault.js";
import { alone } from "./sides.js";

/** From longer than an election takes on. */
const CUT_MS_MIN = 3_000;
const CUT_MS_MAX = 5_000;

export const leaderCut: Fault = {
  name: "leader-cut",
  does: "a leader is cut off from all other brokers for up to 5 s, and clients still reach it",
  unavailable: (brokers) => (brokers < 2 ? "one broker has nobody to be cut off from" : null),
  run: async (context) => {
    const { cluster, prng, holdFor, struck } = context;
    const leaders = await leadersOf(context);
    if (leaders.length === 0) return;
    const victim = prng.pick(leaders);
    const { left, right } = alone(victim, cluster.ids);
    await cluster.network.divide(left, right);
    struck(`broker ${victim}`);
    await holdFor(prng.between(CUT_MS_MIN, CUT_MS_MAX));
    await cluster.network.heal();
  },
};
