/** slow-disk.ts: 5.8: the disk of one broker does a few writes a second only: the others take its leaderships, and it comes back by itself. */
import { expect, longest, needsKind, type Scenario } from "./scenario.js";

const SLOW_MS = 60_000;
/** A slow disk is noticed, and the leaderships are handed over, well within this. */
const GAP_MS = 15_000;

export const slowDisk: Scenario = {
  id: "5.8",
  name: "slow-disk",
  title: "a pod with a slow disk",
  skip: needsKind,
  run: async ({ cluster, nodes, step, victim, world }) => {
    const ordinal = await victim();
    const pod = await cluster.pod(ordinal);
    const rows = await step("slow disk", `disk of ${pod.metadata.name}`, async () => {
      const mend = await nodes?.slowDisk(pod);
      try {
        await world.pause(SLOW_MS);
      } finally {
        // A broker that gave up has another container by now, and its limit is gone with the old one.
        await mend?.().catch(() => {});
      }
    });
    expect(longest(rows) < GAP_MS, `a partition waited ${(longest(rows) / 1_000).toFixed(1)} s for a slow disk`);
  },
};
