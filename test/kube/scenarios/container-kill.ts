/** container-kill.ts: 5.3: kill -9 of a broker's process; the kubelet starts it again in the same pod. */
import { restartsOf } from "../cluster/objects.js";
import { until } from "../cluster/runner.js";
import { READY_MS } from "../cluster/varve-cluster.js";
import { expect, needsKind, type Scenario } from "./scenario.js";

export const containerKill: Scenario = {
  id: "5.3",
  name: "container-kill",
  title: "kill -9 of a container",
  skip: needsKind,
  run: async ({ cluster, nodes, step, victim, world }) => {
    const ordinal = await victim();
    const before = await cluster.pod(ordinal);
    await step("container killed", `broker ${ordinal + 1}`, async () => {
      await nodes?.killContainer(before);
      await until(world, "a new container", READY_MS, async () => {
        return restartsOf(await cluster.pod(ordinal)) > restartsOf(before) || "it was not started again";
      });
    });
    const { metadata } = await cluster.pod(ordinal);
    expect(metadata.uid === before.metadata.uid, "the pod is another one");
  },
};
