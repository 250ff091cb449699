/** little-memory.ts: 5.8: a pod that gets too little memory fails loudly, the roll stops there, and the others are unharmed. */
import { isReady, restartsOf, troubleOf } from "../cluster/objects.js";
import { until } from "../cluster/runner.js";
import { READY_MS } from "../cluster/varve-cluster.js";
import { expect, type Scenario } from "./scenario.js";

/** Node.js alone needs more. */
const LITTLE = "24Mi";

export const littleMemory: Scenario = {
  id: "5.8",
  name: "little-memory",
  title: "a pod with too little memory",
  run: async ({ cluster, helm, kubectl, step, note, world }) => {
    const old = await cluster.pods();
    await step("too little memory, and back", "broker 3", async () => {
      // The chart refuses so little, so it is given by hand.
      const little = [`--requests=memory=${LITTLE}`, `--limits=memory=${LITTLE}`];
      await kubectl.run(["set", "resources", cluster.statefulSet, ...little]);
      let reason = "";
      await until(world, "a pod that says why it fails", READY_MS, async () => {
        const pod = await cluster.pod(2);
        reason = troubleOf(pod) ?? "";
        return (
          (/OOMKilled|exit code|ContainerError/.test(reason) && !isReady(pod)) || `it says: ${reason || "nothing"}`
        );
      });
      note(`the pod says: ${reason}`);
      for (const ordinal of [0, 1]) {
        const pod = await cluster.pod(ordinal);
        const before = old[ordinal];
        expect(
          pod.metadata.uid === before?.metadata.uid && (before === undefined || restartsOf(pod) === restartsOf(before)),
          `${pod.metadata.name} was restarted, too`,
        );
        expect(isReady(pod), `${pod.metadata.name} is not ready`);
      }
      await helm.upgrade({});
      // The controller replaces it by itself, or waits for it for ever (kubernetes/kubernetes issue 67250).
      await kubectl.run(["delete", "pod", cluster.podName(2), "--ignore-not-found"]);
      await cluster.rolledOut();
    });
  },
};
