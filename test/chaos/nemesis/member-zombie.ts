/** member-zombie.ts: a worker is frozen until the group has given its partitions away, and then goes on as if nothing had happened. */
import type { Fault } from "./fault.js";

const LONGER_MS_MIN = 500;
const LONGER_MS_MAX = 4_000;

export const memberZombie: Fault = {
  name: "member-zombie",
  does: "SIGSTOP of a group's worker beyond its session timeout, then SIGCONT",
  needsGroups: true,
  run: async ({ groups, prng, holdFor, struck }) => {
    const running = groups?.running() ?? [];
    if (groups === null || running.length === 0) return;
    const victim = prng.pick(running);
    victim.freeze();
    struck(victim.plan.name);
    await holdFor(groups.sessionTimeoutMs + prng.between(LONGER_MS_MIN, LONGER_MS_MAX));
    victim.thaw();
  },
};
