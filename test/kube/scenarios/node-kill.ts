/** node-kill.ts: 5.3: a node dies; its broker comes back with it. */
import { isReady } from "../cluster/objects.js";
import { until } from "../cluster/runner.js";
import { READY_MS } from "../cluster/varve-cluster.js";
import { expect, expectElsewhere, needsKindNodes, type Scenario } from "./scenario.js";

export const nodeKill: Scenario = {
  id: "5.3",
  name: "node-kill",
  title: "a node is killed and started again",
  skip: needsKindNodes,
  run: async ({ cluster, kubectl, loadNode, nodes, step, victim, world }) => {
    const ordinal = await victim();
    const node = (await cluster.pod(ordinal)).spec.nodeName ?? "";
    expect(node !== "", `${cluster.podName(ordinal)} has no node`);
    expectElsewhere(loadNode(), [node]);
    const isUp = async (): Promise<boolean> =>
      (await kubectl.nodes()).some((each) => each.metadata.name === node && isReady(each));
    await step("node killed", `broker ${ordinal + 1}`, async () => {
      await nodes?.kill(node);
      await until(
        world,
        `${node} to be seen as lost`,
        READY_MS,
        async () => !(await isUp()) || "it still counts as ready",
      );
      await nodes?.start(node);
      await until(world, `${node} to come back`, READY_MS, async () => (await isUp()) || "it is not ready");
    });
  },
};
