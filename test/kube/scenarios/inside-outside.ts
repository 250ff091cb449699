/** inside-outside.ts: 5.9: a client inside, through the bootstrap service, and one outside, through NodePorts, go on through a rolling restart. */
import type { Context, Scenario } from "./scenario.js";
import { expect, expectShortGaps } from "./scenario.js";

const FIRST_PORT = 31_650;

export const insideOutside: Scenario = {
  id: "5.9",
  name: "inside-outside",
  title: "a client inside and one outside through a rolling restart",
  run: async (context) => {
    const { cluster, helm, kubectl, step, note } = context;
    const host = await outsideHost(context);
    await step("external addresses switched on", "all", async () => {
      await helm.upgrade({
        "external.enabled": true,
        "external.firstNodePort": FIRST_PORT,
        "external.advertised": `${host}:{ordinal+${FIRST_PORT}}`,
      });
      await cluster.rolledOut();
    });
    await context.addOutsideLoad([0, 1, 2].map((ordinal) => `${host}:${FIRST_PORT + ordinal}`).join(","));
    const rows = await step("rolling restart, clients inside and outside", "all", async () => {
      await kubectl.run(["rollout", "restart", cluster.statefulSet]);
      await cluster.rolledOut();
    });
    note(`clients outside came through ${host}`);
    expectShortGaps(rows);
  },
};

/** An address that leads to every NodePort from here and from pods alike. */
async function outsideHost({ kubectl, settings }: Context): Promise<string> {
  if (settings.outsideHost !== null) return settings.outsideHost;
  const nodes = await kubectl.nodes();
  const isController = (labels: Readonly<Record<string, string>> = {}): boolean =>
    "node-role.kubernetes.io/control-plane" in labels;
  const node = nodes.find(({ metadata }) => isController(metadata.labels)) ?? nodes[0];
  const address = node?.status.addresses?.find(({ type }) => type === "InternalIP")?.address ?? "";
  expect(address !== "", "no node has an address");
  return address;
}
