/** bad-image.ts: 5.2: an image that does not exist stops the roll at one pod; `helm rollback` ends it. */
import { isReady, troubleOf } from "../cluster/objects.js";
import { until } from "../cluster/runner.js";
import { READY_MS } from "../cluster/varve-cluster.js";
import { type Context, expect, type Scenario } from "./scenario.js";

const TAG = "does-not-exist";
/** Long enough for a roll to go on, if it did: pods are ready for 10 s before the next one goes. */
const STUCK_MS = 45_000;
/** For the StatefulSet's controller to replace the pod by itself. */
const BY_ITSELF_MS = 60_000;

export const badImage: Scenario = {
  id: "5.2",
  name: "bad-image",
  title: "an image that does not exist, and back",
  run: async (context) => {
    const { cluster, helm, step, note, world } = context;
    await step("bad image and rollback", "all", async () => {
      await helm.upgrade({ "image.tag": TAG, "image.pullPolicy": "IfNotPresent" });
      await until(world, "a pod with the bad image", READY_MS, async () => {
        const troubles = (await withBadImage(context)).map((pod) => troubleOf(pod) ?? "nothing");
        return troubles.some((trouble) => /Image/.test(trouble)) || `they say: ${troubles.join(", ")}`;
      });
      await world.pause(STUCK_MS);
      const bad = await withBadImage(context);
      expect(bad.length === 1, `${bad.length} pods have the bad image, not one`);
      const ready = (await cluster.pods()).filter(isReady).length;
      expect(ready === 2, `${ready} brokers are ready beside the bad pod, not two`);
      await helm.rollback();
      note(await replaced(context, bad[0]?.metadata.name ?? ""));
      await cluster.rolledOut();
    });
  },
};

async function withBadImage({ cluster }: Context) {
  return (await cluster.pods()).filter(({ spec }) => spec.containers[0]?.image.endsWith(`:${TAG}`) === true);
}

/** Whether the controller replaced the pod, or it had to be deleted (kubernetes/kubernetes issue 67250). */
async function replaced(context: Context, name: string): Promise<string> {
  try {
    await until(context.world, "the bad pod to go", BY_ITSELF_MS, async () => {
      return (await withBadImage(context)).length === 0 || `${name} is still there`;
    });
    return "after the rollback the bad pod was replaced by itself";
  } catch {
    await context.kubectl.run(["delete", "pod", name, "--ignore-not-found"]);
    return "after the rollback the bad pod had to be deleted";
  }
}
