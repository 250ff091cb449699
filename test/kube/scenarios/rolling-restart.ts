/** rolling-restart.ts: 5.2: all brokers are restarted one after the other: never fewer than two ready, no partition stops for a second. */
import { expect, expectShortGaps, type Scenario } from "./scenario.js";

export const rollingRestart: Scenario = {
  id: "5.2",
  name: "rolling-restart",
  title: "kubectl rollout restart",
  run: async ({ cluster, kubectl, step, note }) => {
    const before = await cluster.pods();
    let fewest = Number.POSITIVE_INFINITY;
    const rows = await step("rolling restart", "all", async () => {
      fewest = await cluster.fewestReady(async () => {
        await kubectl.run(["rollout", "restart", cluster.statefulSet]);
        await cluster.rolledOut();
      });
    });
    const after = await cluster.pods();
    const same = after.filter(({ metadata }) => before.some((pod) => pod.metadata.uid === metadata.uid));
    expect(same.length === 0, `${same.length} pods were not restarted`);
    expect(fewest >= 2, `only ${fewest} brokers were ready at one time`);
    note(`at least ${fewest} brokers were ready at any time`);
    expectShortGaps(rows);
  },
};
