/** disk.ts: a broker whose volume is gone for good. */
import { assertDefined } from "@varve/base";
import { mustDo, pickLeader, type Scenario } from "./scenario.js";

export const replaceVolume: Scenario = {
  name: "wiped volume, replace",
  does: "a broker that leads is killed and its volume deleted; `varve broker replace`, then it gets everything again on an empty volume",
  run: async (context) => {
    const { cluster, fault, images, whole } = context;
    const victim = await pickLeader(context);
    const other = assertDefined(
      cluster.ids.find((id) => id !== victim),
      "a cluster has several brokers",
    );
    await fault("replace", `broker ${victim}`, async () => {
      await cluster.kill(victim);
      await cluster.dismiss(victim);
      await mustDo(context, other, ["broker", "replace", String(victim)]);
      await cluster.launch(victim, images.current);
      await cluster.ready(victim);
      await whole();
    });
  },
};
