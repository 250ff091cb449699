/**
 * vitest.ci.config.ts: the longer suites of `npm run test:ci`, beside those of `npm test`.
 *
 * Most of them wait most of the time, so three run at once. Those that judge times of the whole cluster, or keep both
 * processors busy, run alone, one after the other, afterwards.
 */
import { defineConfig } from "vitest/config";
import { longestFirst } from "./longest-first.js";

const ALONE = ["chaos", "disk-errors", "hostile-slow", "reader-sockets", "thousand-groups"].map(
  (name) => `test/ci/${name}.test.ts`,
);
const LONGEST = [
  "chaos-controls",
  "group-faults",
  "ci/sim",
  "packages",
  "group-churn",
  "membership-fire",
  "mixed-versions",
  "ci/rebalance",
  "disk-damage",
  "group-commits",
];

export default defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    testTimeout: 300_000,
    hookTimeout: 180_000,
    pool: "forks",
    sequence: { sequencer: longestFirst(LONGEST) },
    projects: [
      {
        extends: true,
        test: {
          name: "three at once",
          include: ["test/ci/**/*.test.ts"],
          exclude: ALONE,
          maxWorkers: 3,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: { name: "alone", include: ALONE, maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
