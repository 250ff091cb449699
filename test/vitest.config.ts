/**
 * vitest.config.ts: which tests `npm test` runs. Tests import other packages as users do, from `dist`.
 */
import { defineConfig } from "vitest/config";
import { longestFirst } from "./longest-first.js";

const LONGEST = [
  "integration/cli",
  "integration/quickstart",
  "integration/replica-moves",
  "integration/sdk-survives",
  "http2-abuse",
];

export default defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    include: ["packages/*/src/**/*.test.ts", "test/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**", "test/ci/**"],
    // Against what hangs. Tests judge no speed by them: on a machine with eight times as much to do, tests of 15 s need more than 90.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    pool: "forks",
    // More than processors: most files wait for processes of their own.
    maxWorkers: 3,
    sequence: { sequencer: longestFirst(LONGEST) },
  },
});
