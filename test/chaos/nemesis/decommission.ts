/**
 * decommission.ts: a broker gives all its replicas away and leaves for good; then its id comes back with an empty directory. One of the others may
 * be killed in the middle of it.
 */
import { rmSync } from "node:fs";
import { waitUntil } from "../clock.js";
import type { Fault } from "./fault.js";
import { killMeanwhile, movesEnd } from "./move.js";

const WHOLE_MS = 20_000;
const GONE_MS = 180_000;
const KILL_RATIO = 0.5;

export const decommission: Fault = {
  name: "decommission",
  does: "a broker moves everything to the others and leaves for good; its id comes back with an empty directory",
  unavailable: (brokers) => (brokers < 4 ? "--brokers 4 or more leave enough of them" : null),
  run: async (context) => {
    const { cluster, prng, varve, struck, whole } = context;
    if (!(await whole(WHOLE_MS))) return;
    const victim = prng.pick(cluster.ids);
    await varve.admin.decommissionBroker({ broker: victim });
    struck(`broker ${victim} leaves`);
    if (prng.chance(KILL_RATIO)) await killMeanwhile(context, victim);
    await movesEnd(context);
    await waitUntil(`broker ${victim} is gone`, GONE_MS, async () => {
      const { brokers } = await varve.admin.describeCluster();
      return brokers.every(({ id }) => id !== victim) || "it is still registered";
    });
    await cluster.stopOne(victim);
    rmSync(cluster.dataDirOf(victim), { recursive: true, force: true });
    await cluster.restart(victim);
    await cluster.ready(victim);
  },
};
