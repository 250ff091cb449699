/** storm.ts: a hundred members join a group of a few and leave it again, in order or by kill -9. */
import type { Fault } from "./fault.js";

const MEMBERS = 100;
const STAY_MS_MAX = 3_000;
const KILL_RATIO = 0.5;
const CLOSE_MS = 15_000;

export const storm: Fault = {
  name: "storm",
  does: `${MEMBERS} members join a group at once and leave within 3 s, in order or by kill -9`,
  needsGroups: true,
  run: async ({ groups, prng, hold, struck }) => {
    const worker = groups?.start("auto", null, MEMBERS) ?? null;
    if (worker === null) return;
    struck(`${MEMBERS} members join auto`);
    await hold(prng.between(500, STAY_MS_MAX));
    if (prng.chance(KILL_RATIO)) await worker.kill();
    else await worker.close(CLOSE_MS);
  },
};
