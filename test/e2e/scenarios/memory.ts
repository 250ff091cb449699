/** memory.ts: a broker that is given too little memory: it fails loudly, and the others go on as if it were not there. */
import { pickLeader, type Scenario } from "./scenario.js";

/** Node.js alone needs more. */
const LITTLE_BYTES = 24 * 1024 * 1024;

export const littleMemory: Scenario = {
  name: "too little memory",
  does: "a broker is stopped in order and started with 24 MiB: it ends by itself, the others go on; then it gets its memory back",
  run: async (context) => {
    const { cluster, fault, acknowledged, say } = context;
    const victim = await pickLeader(context);
    const others = cluster.ids.filter((id) => id !== victim);
    const pids = others.map((id) => cluster.pidOf(id));
    await fault("stop", `broker ${victim}`, async () => {
      await cluster.stopGate(victim);
      await cluster.stop(victim);
      await cluster.limitMemory(victim, LITTLE_BYTES);
      say(`broker ${victim} with too little memory: ${await cluster.startInVain(victim)}`);
      await acknowledged(3);
      if (others.some((id, at) => cluster.pidOf(id) !== pids[at])) throw new Error("another broker was started again");
      await cluster.limitMemory(victim, null);
      await cluster.start(victim);
      await cluster.ready(victim);
    });
  },
};
