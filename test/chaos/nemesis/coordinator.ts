/** coordinator.ts: kill -9 of the broker that coordinates a group, while its members join and commit. */
import type { Fault } from "./fault.js";

const DOWN_MS_MIN = 200;
const DOWN_MS_MAX = 4_000;
const ASK_MS = 2_000;

export const coordinator: Fault = {
  name: "coordinator",
  does: "kill -9 of the broker that coordinates a group, started again after up to 4 s",
  needsGroups: true,
  run: async ({ groups, cluster, varve, prng, hold, struck }) => {
    const group = prng.pick(groups?.groups ?? []);
    const described = varve.admin.describeGroup(group, { signal: AbortSignal.timeout(ASK_MS) });
    const victim = await described.then(
      (found) => found.coordinator,
      () => null,
    );
    if (victim === null || !cluster.ids.includes(victim)) return;
    await cluster.kill(victim);
    struck(`broker ${victim}`, `broker ${victim}, which coordinates ${group}`);
    await hold(prng.between(DOWN_MS_MIN, DOWN_MS_MAX));
    await cluster.restart(victim);
    await cluster.ready(victim);
  },
};
