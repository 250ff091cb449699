/** cold-start.ts: 5.8: all pods start at once, then all nodes. */
import { isReady } from "../cluster/objects.js";
import { until } from "../cluster/runner.js";
import { READY_MS } from "../cluster/varve-cluster.js";
import { type Context, expectElsewhere, needsKindNodes, type Scenario } from "./scenario.js";

export const coldStart: Scenario = {
  id: "5.8",
  name: "cold-start",
  title: "all pods deleted by force at once",
  run: async ({ cluster, kubectl, step, world, note }) => {
    const old = new Set((await cluster.pods()).map(({ metadata }) => metadata.uid));
    await step("all pods killed at once", "all", async () => {
      const beganMs = world.nowMs();
      await kubectl.run(["delete", "pods", "-l", cluster.selector, "--grace-period=0", "--force"]);
      await until(world, "three new brokers", READY_MS, async () => {
        const ready = (await cluster.pods()).filter((pod) => isReady(pod) && !old.has(pod.metadata.uid)).length;
        return ready === 3 || `${ready} are ready`;
      });
      note(`ready ${((world.nowMs() - beganMs) / 1_000).toFixed(1)} s after all pods were killed`);
    });
  },
};

export const nodesRestart: Scenario = {
  id: "5.8",
  name: "nodes-restart",
  title: "all nodes with brokers restarted at once",
  skip: needsKindNodes,
  run: async (context) => {
    const { cluster, nodes, step } = context;
    const names = [...new Set((await cluster.pods()).map(({ spec }) => spec.nodeName ?? ""))];
    expectElsewhere(context.loadNode(), names);
    await step("all nodes restarted at once", "all", async () => {
      await nodes?.restart(names);
      // Nodes and pods of which nothing was heard for some 40 s count as ready; what is true the step asks of the brokers.
      await allUp(context, names);
    });
  },
};

async function allUp({ kubectl, world }: Context, names: readonly string[]): Promise<void> {
  await until(world, "all nodes to come back", READY_MS, async () => {
    const up = (await kubectl.nodes()).filter((node) => names.includes(node.metadata.name) && isReady(node)).length;
    return up === names.length || `${up} of ${names.length} are ready`;
  });
}
