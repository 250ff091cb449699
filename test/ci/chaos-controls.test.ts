/**
 * chaos-controls.test.ts: brokers that are broken on purpose, and disks that lie, are found out by the checks of `npm run chaos`.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { VARIANTS } from "../chaos/broken/variants.js";
import { preloadProblem } from "../faults/preload.js";
import { ChaosRuns } from "./chaos-run.js";

const RUN_MS = 600_000;

const problem = preloadProblem();
if (problem !== null) console.warn(`disks that lie are not tried: ${problem}`);
const chaos = new ChaosRuns();

beforeAll(() => chaos.build());
afterAll(() => chaos.remove());

describe(`a control is found out (SEED=${chaos.seed})`, () => {
  test.each(VARIANTS)(
    "$name: brokers that are broken on purpose",
    { timeout: RUN_MS },
    async ({ name, checks, rounds, needsGroups }) => {
      const { code, output } = await chaos.run(["--broken", name, ...shortly(rounds, needsGroups)]);
      expect(code, output).toBe(1);
      expect(output).toContain(`broken on purpose, and the checks must find it: ${name}`);
      expect(output).toMatch(new RegExp(`^(?:${checks.join("|")}) +VIOLATED [1-9]`, "m"));
    },
  );

  test.skipIf(problem !== null)("disks that lie about their syncs", { timeout: RUN_MS }, async () => {
    const { code, output } = await chaos.run(["--faults", "lying-disks", ...shortly(1)]);
    expect(code, output).toBe(1);
    expect(output).toMatch(/^K1 +VIOLATED [1-9]/m);
    expect(output).toContain("NOT CLEAN");
  });
});

function shortly(rounds: number, needsGroups = false): string[] {
  return ["--rounds", String(rounds), "--minutes", "2", ...(needsGroups ? [] : ["--no-groups"])];
}
