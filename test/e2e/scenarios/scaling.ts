/** scaling.ts: two more brokers, and two fewer, by the commands of the runbooks. */
import { mustDo, type Scenario, type ScenarioContext } from "./scenario.js";

const SMALL = 3;
const ADDED = [4, 5];

export const scaleOut: Scenario = {
  name: "scale 3 to 5, rebalance",
  does: "two brokers join; `varve cluster rebalance --dry-run` shows what would move, `varve cluster rebalance` fills them",
  run: async (context) => {
    const { cluster, images, whole } = context;
    for (const id of ADDED) await cluster.launch(id, images.current);
    for (const id of ADDED) await cluster.ready(id);
    await whole();
    const before = await holdersOf(context);
    await mustDo(context, 1, ["cluster", "rebalance", "--dry-run"]);
    const shown = await holdersOf(context);
    if (shown.join() !== before.join()) throw new Error(`a dry run moved something: ${before} -> ${shown}`);
    await mustDo(context, 1, ["cluster", "rebalance"]);
    const after = await holdersOf(context);
    const empty = ADDED.filter((id) => !after.includes(id));
    if (empty.length > 0) throw new Error(`after a rebalance brokers ${empty} hold nothing of the topic`);
  },
};

export const scaleIn: Scenario = {
  name: "decommission 5 to 3",
  does: "`scale-in-check` refuses; `varve broker decommission` of the two, one after another; the check allows; their containers and volumes go",
  run: async (context) => {
    const { cluster } = context;
    const check = ["cluster", "scale-in-check", "--replicas", String(SMALL)];
    const refused = await cluster.varve(1, check);
    if (refused.exitCode !== 1 || !refused.output.includes("decommission"))
      throw new Error(`scale-in-check ended with ${refused.exitCode} while replicas were there: ${refused.output}`);
    for (const id of [...ADDED].reverse()) {
      await mustDo(context, 1, ["broker", "decommission", String(id), "--progress"]);
      await cluster.stop(id);
    }
    await mustDo(context, 1, check);
    for (const id of ADDED) await cluster.dismiss(id);
    const after = await holdersOf(context);
    if (after.some((id) => id > SMALL)) throw new Error(`decommissioned brokers still hold replicas: ${after}`);
  },
};

/** Brokers with replicas of the topic, in order. */
async function holdersOf({ varve, topic }: ScenarioContext): Promise<number[]> {
  const { partitions } = await varve.admin.describeTopic(topic);
  return [...new Set(partitions.flatMap(({ replicas }) => replicas))].sort((a, b) => a - b);
}
