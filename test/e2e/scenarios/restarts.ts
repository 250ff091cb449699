/** restarts.ts: brokers that are stopped in order, one after another, brokers that are killed, and all of them at once. */
import { nowMs } from "../../chaos/clock.js";
import { pickLeader, type Scenario, type ScenarioContext } from "./scenario.js";

const KILLS = 2;

/** The stop gate, SIGTERM, and what comes next; the broker is away until it is ready again. */
export async function stopInOrder(context: ScenarioContext, id: number, next: () => Promise<void>): Promise<void> {
  const { cluster, fault, say } = context;
  await fault("stop", `broker ${id}`, async () => {
    const atMs = [nowMs()];
    for (const step of [() => cluster.stopGate(id), () => cluster.stop(id), next, () => cluster.ready(id)]) {
      await step();
      atMs.push(nowMs());
    }
    const [gate, stop, start, ready] = atMs.slice(1).map((ms, at) => ((ms - (atMs[at] ?? ms)) / 1_000).toFixed(1));
    say(`broker ${id}: gate ${gate} s, ended after ${stop} s, started in ${start} s, ready after ${ready} s`);
  });
}

export const rollingRestart: Scenario = {
  name: "rolling restart",
  does: "stop gate, SIGTERM and start of every broker, one after another, each when the one before is ready",
  run: async (context) => {
    const { cluster } = context;
    for (const id of cluster.ids) await stopInOrder(context, id, () => cluster.start(id));
  },
};

export const kill: Scenario = {
  name: "kill",
  does: "SIGKILL of a broker that leads, twice; it starts again when its partitions have new leaders",
  run: async (context) => {
    const { cluster, fault, whole, acknowledged } = context;
    const killed: number[] = [];
    for (let time = 0; time < KILLS; time++) {
      const victim = await pickLeader(context, killed);
      killed.push(victim);
      await fault("kill", `broker ${victim}`, async () => {
        await cluster.kill(victim);
        await acknowledged(3);
        await cluster.start(victim);
        await cluster.ready(victim);
      });
      await whole();
    }
  },
};

export const coldStart: Scenario = {
  name: "all at once",
  does: "SIGKILL of all brokers at once, as when every machine loses its power, and all start again",
  run: async ({ cluster, fault }) => {
    await fault("power", "all brokers", async () => {
      await Promise.all(cluster.ids.map((id) => cluster.kill(id)));
      await Promise.all(cluster.ids.map((id) => cluster.start(id)));
      await Promise.all(cluster.ids.map((id) => cluster.ready(id)));
    });
  },
};
