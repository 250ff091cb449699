/**
 * power.ts: the power of all brokers fails at once, or that of one: they are killed, and of what they had written and not synced all is lost, or
 * any part of it, by sector and by name. Sometimes the store of materialised state is gone, too, which nothing may depend on.
 *
 * A sync takes a fraction of a millisecond here, so a kill would rarely find anything unsynced. Before most cuts syncs are slow for a moment.
 */
import { join } from "node:path";
import type { Fault } from "./fault.js";

const ALL_RATIO = 0.75;
const STATE_LOST_RATIO = 0.3;
const LOST_RATIOS = [1, 0.9, 0.5, 0.1] as const;
const DARK_MS_MAX = 1_500;
const SLOW_RATIO = 0.8;
const SLOW_SYNC_MS = 400;
const SLOW_FOR_MS_MAX = 800;

export const power: Fault = {
  name: "power",
  does: "all brokers, or one, are killed, and any part of what they had not synced is lost",
  needs: "power",
  run: async ({ cluster, prng, hold, struck }) => {
    const victims = prng.chance(ALL_RATIO) ? cluster.ids : [prng.pick(cluster.ids)];
    const lostRatio = prng.pick(LOST_RATIOS);
    const isSlow = prng.chance(SLOW_RATIO);
    const slow = { id: "power", call: "sync", path: "*", fault: { kind: "delay", ms: SLOW_SYNC_MS } } as const;
    for (const id of victims) cluster.sabotageOf(id).setFiles(isSlow ? [slow] : []);
    await hold(isSlow ? prng.between(0, SLOW_FOR_MS_MAX) : 0);
    await Promise.all(victims.map((id) => cluster.kill(id)));
    let lost = 0;
    let isStateLost = false;
    for (const id of victims) {
      const loses = prng.chance(STATE_LOST_RATIO) ? join(cluster.dataDirOf(id), "state") : null;
      isStateLost ||= loses !== null;
      cluster.sabotageOf(id).setFiles([]);
      const { sectorsLost, namesLost } = cluster.sabotageOf(id).cutPower(() => prng.chance(lostRatio), loses);
      lost += sectorsLost + namesLost;
    }
    const how = `${lost} sectors and names lost${isStateLost ? ", and a state store" : ""}`;
    struck(`brokers ${victims.join(" ")}`, `brokers ${victims.join(" ")}, ${how}`);
    await hold(prng.between(0, DARK_MS_MAX));
    await Promise.all(victims.map((id) => cluster.restart(id)));
    await Promise.all(victims.map((id) => cluster.ready(id)));
  },
};
