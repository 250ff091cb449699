/**
 * loss.ts: a network that loses packets. TCP sends them again, so what its users meet are stalls of 200 ms and more, and now and then a
 * connection that breaks; that is what the links do. (Real loss below TCP needs namespaces of the system.)
 */
import { CLIENTS } from "../cluster/fabric.js";
import { type Fault, pickVictim } from "./fault.js";

const LOSSY_MS_MIN = 2_000;
const LOSSY_MS_MAX = 8_000;
const STALL_RATIOS = [0.01, 0.05, 0.2] as const;
const RESET_RATIO = 0.002;

export const loss: Fault = {
  name: "loss",
  does: "1, 5 or 20 % of the data stalls as after a lost packet, and some connections break, for up to 8 s",
  needsProxies: true,
  run: async (context) => {
    const { cluster, prng, hold, struck } = context;
    const { network, ids } = cluster;
    const stallRatio = prng.pick(STALL_RATIOS);
    const state = { kind: "lossy", stallRatio, resetRatio: RESET_RATIO } as const;
    const victims = prng.chance(0.5) ? ids : [await pickVictim(context)];
    const withClients = prng.chance(0.5);
    for (const id of victims) {
      const others = ids.filter((other) => other !== id);
      await network.divide([id], withClients ? [...others, CLIENTS] : others, state);
    }
    struck(`${stallRatio * 100} % around ${victims.join(" ")}${withClients ? " and clients" : ""}`);
    await hold(prng.between(LOSSY_MS_MIN, LOSSY_MS_MAX));
    await network.heal();
  },
};
