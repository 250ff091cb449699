/** upgrade.ts: a roll from the previous version's image to this one's, back while that is allowed, and up for good. */
import { assertDefined } from "@varve/base";
import { stopInOrder } from "./restarts.js";
import { mustDo, type Scenario, type ScenarioContext } from "./scenario.js";

export const upgrade: Scenario = {
  name: "upgrade",
  does: "three brokers of the previous version's image are exchanged for this version's, one after another",
  run: (context) => rollTo(context, context.images.current),
};

export const downgrade: Scenario = {
  name: "downgrade",
  does: "all three go back to the previous version's image, before anything is finalised",
  run: (context) => rollTo(context, assertDefined(context.images.previous, "it is planned only where there is one")),
};

export const finalize: Scenario = {
  name: "upgrade, finalize",
  does: "all three go forward again; `varve cluster finalize` ends the upgrade",
  run: async (context) => {
    await rollTo(context, context.images.current);
    await mustDo(context, 1, ["cluster", "finalize"]);
  },
};

async function rollTo(context: ScenarioContext, image: string): Promise<void> {
  const { cluster, acknowledged } = context;
  for (const id of cluster.ids) {
    await stopInOrder(context, id, () => cluster.exchange(id, image));
    await acknowledged(1);
  }
}
