/** scale.ts: 5.5: from three brokers to five, rebalanced; back refused with the command to run; decommissioned; then back. */
import { until } from "../cluster/runner.js";
import { type Context, expect, expectShortGaps, type Scenario } from "./scenario.js";

const MOVE_MS = 900_000;
const POLICY_MINOR = 30;
const POLICY_MS = 60_000;

export const scale: Scenario = {
  id: "5.5",
  name: "scale",
  title: "3 to 5 and rebalance; scale-in refused; decommission; 3 again",
  run: async (context) => {
    await out(context);
    await refused(context);
    if (context.minor >= POLICY_MINOR) await refusedByPolicy(context);
    await back(context);
  },
};

async function out({ cluster, helm, step, note }: Context): Promise<void> {
  const before = await cluster.pods();
  await step("scale out to 5", "all", () => helm.upgrade({ replicas: 5 }), 5);
  const after = await cluster.pods();
  const kept = before.filter((pod) => after.some(({ metadata }) => metadata.uid === pod.metadata.uid));
  expect(kept.length === before.length, `${before.length - kept.length} pods were restarted by scaling out`);
  const plan = await cluster.varve(["cluster", "rebalance", "--dry-run", "--json"]);
  const { moves } = JSON.parse(plan) as { readonly moves: readonly unknown[] };
  expect(moves.length > 0, "rebalancing would move nothing to two new brokers");
  note(`rebalance moves ${moves.length} partitions`);
  const rows = await step("rebalance", "all", () => cluster.varve(["cluster", "rebalance"], { timeoutMs: MOVE_MS }), 5);
  expectShortGaps(rows);
}

async function refused({ cluster, helm, kubectl, note }: Context): Promise<void> {
  const { code, stdout, stderr } = await helm.attemptUpgrade({ replicas: 3 });
  expect(code !== 0, "helm upgrade to 3 replicas was not refused");
  const job = await kubectl.attempt(["logs", `job/${helm.release}-scale-guard`]);
  const said = `${stdout}${stderr}${job.stdout}`;
  expect(said.includes("varve broker decommission"), `the refusal names no command: ${said}`);
  expect((await cluster.readyCount()) === 5, "brokers went although scaling in was refused");
  note("helm upgrade to 3 replicas was refused with the commands to run");
}

/** `kubectl scale` asks no guard; an admission policy holds it. It reaches all API servers a moment after it is made. */
async function refusedByPolicy({ cluster, helm, kubectl, world, note }: Context): Promise<void> {
  await helm.upgrade({ "scaleGuard.admissionPolicy": true });
  const scaleIn = ["scale", cluster.statefulSet, "--replicas=3", "--dry-run=server"];
  await until(world, "kubectl scale to be refused", POLICY_MS, async () => {
    const { code, stderr } = await kubectl.attempt(scaleIn);
    return (code !== 0 && stderr.includes("decommission")) || `exit code ${code}: ${stderr}`;
  });
  note("kubectl scale was refused by the admission policy");
}

async function back({ cluster, helm, kubectl, step }: Context): Promise<void> {
  for (const broker of [5, 4]) {
    const command = ["broker", "decommission", String(broker), "--progress"];
    const act = (): Promise<string> => cluster.varve(command, { timeoutMs: MOVE_MS });
    // Its pod is there until scaling in takes it away, and not ready: it is no member any more.
    const rows = await step(`decommission ${broker}`, "all", act, broker - 1, 5);
    expectShortGaps(rows);
  }
  await step("scale in to 3", "all", () => helm.upgrade({ replicas: 3 }));
  await kubectl.run(["delete", "pvc", `data-${cluster.podName(3)}`, `data-${cluster.podName(4)}`]);
}
