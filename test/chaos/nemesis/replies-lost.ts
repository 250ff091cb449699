/**
 * replies-lost.ts: a leader hears its clients and works for them, and its answers do not arrive: they wait, and then break with their connections. Clients
 * ask again for what was done long ago.
 */
import { CLIENTS } from "../cluster/fabric.js";
import { type Fault, leadersOf } from "./fault.js";

const MUTE_MS_MIN = 300;
const MUTE_MS_MAX = 1_500;

export const repliesLost: Fault = {
  name: "replies-lost",
  does: "a leader's answers to clients are held for up to 1.5 s, and then lost with their connections",
  needsProxies: true,
  run: async (context) => {
    const { cluster, prng, holdFor, struck } = context;
    const leaders = await leadersOf(context);
    if (leaders.length === 0) return;
    const victim = prng.pick(leaders);
    await cluster.network.change(victim, CLIENTS, { kind: "held" });
    struck(`broker ${victim}`);
    await holdFor(prng.between(MUTE_MS_MIN, MUTE_MS_MAX));
    cluster.network.reset(victim);
    await cluster.network.heal();
  },
};
