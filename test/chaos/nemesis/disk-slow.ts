/** disk-slow.ts: every sync of one broker's disk takes long; of its write-ahead log, or of everything. */
import { type Fault, pickVictim } from "./fault.js";

const SLOW_MS_MIN = 2_000;
const SLOW_MS_MAX = 8_000;
const DELAYS_MS = [50, 300, 1_500] as const;

export const diskSlow: Fault = {
  name: "disk-slow",
  does: "each sync of one broker takes 50, 300 or 1,500 ms, for up to 8 s",
  needs: "files",
  run: async (context) => {
    const { cluster, prng, hold, struck } = context;
    const victim = await pickVictim(context);
    const ms = prng.pick(DELAYS_MS);
    const path = prng.pick(["/wal/", "*"]);
    const sabotage = cluster.sabotageOf(victim);
    const before = sabotage.hits("slow");
    sabotage.setFiles([{ id: "slow", call: "sync", path, fault: { kind: "delay", ms } }]);
    struck(`syncs of broker ${victim} take ${ms} ms (${path})`);
    await hold(prng.between(SLOW_MS_MIN, SLOW_MS_MAX));
    sabotage.setFiles([]);
    if (sabotage.hits("slow") === before)
      throw new Error(`no sync of broker ${victim} was slow: the injector does nothing`);
  },
};
