/** pod-delete.ts: 5.3: a pod deleted with its grace, and by force. */
import { expectShortGaps, type Scenario } from "./scenario.js";

const GRACE_MS = 450_000;

export const podDelete: Scenario = {
  id: "5.3",
  name: "pod-delete",
  title: "kubectl delete pod, with grace and by force",
  run: async ({ cluster, kubectl, step, victim }) => {
    const ordinal = await victim();
    const name = cluster.podName(ordinal);
    const first = await cluster.pod(ordinal);
    const rows = await step("pod deleted with grace", `broker ${ordinal + 1}`, async () => {
      await kubectl.run(["delete", "pod", name], { timeoutMs: GRACE_MS });
      await cluster.whenReplaced(name, first.metadata.uid);
    });
    expectShortGaps(rows);
    const second = await cluster.pod(ordinal);
    await step("pod deleted by force (kill)", `broker ${ordinal + 1}`, async () => {
      await kubectl.run(["delete", "pod", name, "--grace-period=0", "--force"]);
      await cluster.whenReplaced(name, second.metadata.uid);
    });
  },
};
