/** static-twice.ts: a second process comes with the static id of a member that lives: exactly one of them goes on. */
import { waitUntil } from "../clock.js";
import type { Fault } from "./fault.js";

const FENCED_MS = 20_000;

export const staticTwice: Fault = {
  name: "static-twice",
  does: "a second worker starts with the static id of a running one: one of the two must be fenced",
  needsGroups: true,
  run: async ({ groups, prng, struck }) => {
    const named = (groups?.running("auto") ?? []).filter(({ plan }) => plan.staticId !== null);
    if (groups === null || named.length === 0) return;
    const first = prng.pick(named);
    // The history has one owner of a name at a time: from here on it is the second.
    first.handOver();
    const second = groups.start("auto", first.plan.staticId);
    if (second === null) return;
    struck(`${first.plan.name} and ${second.plan.name} are both ${first.plan.staticId}`);
    await waitUntil(`one of two with the static id ${first.plan.staticId} is fenced`, FENCED_MS, async () => {
      return first.state === "gone" || second.state === "gone" || "both live";
    });
    groups.mend();
  },
};
