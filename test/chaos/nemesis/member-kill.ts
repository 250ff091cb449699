/** member-kill.ts: kill -9 of a worker in the middle of its records; another is started, under the same static id where it had one. */
import type { Fault } from "./fault.js";

const DOWN_MS_MAX = 3_000;

export const memberKill: Fault = {
  name: "member-kill",
  does: "kill -9 of a group's worker in the middle of its records, another starts within 3 s",
  needsGroups: true,
  run: async ({ groups, prng, hold, struck }) => {
    const running = groups?.running() ?? [];
    if (running.length === 0) return;
    const victim = prng.pick(running);
    await victim.kill();
    struck(victim.plan.name);
    await hold(prng.between(0, DOWN_MS_MAX));
    groups?.mend();
  },
};
