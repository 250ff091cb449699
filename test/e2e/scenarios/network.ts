/** network.ts: a broker that loses the network of the brokers, while clients still reach it. */
import { pause } from "../../chaos/clock.js";
import { pickLeader, type Scenario } from "./scenario.js";

/** Some elections long. */
const CUT_MS = 8_000;

export const disconnect: Scenario = {
  name: "network disconnect",
  does: "a broker that leads loses the network of the brokers for 8 s, and clients still reach it; then it comes back",
  run: async (context) => {
    const { cluster, fault, acknowledged } = context;
    const victim = await pickLeader(context);
    await fault("isolate", `broker ${victim}`, async () => {
      await cluster.cutOff(victim);
      await Promise.all([pause(CUT_MS), acknowledged(3)]);
      await cluster.rejoin(victim);
      await cluster.ready(victim);
    });
  },
};
