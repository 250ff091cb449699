/** node-cut-off.ts: 5.3: a broker's node is cut off from the others by the network: both ways, then only what it sends, then only what it gets. */

import type { KindNodes } from "../cluster/kind-nodes.js";
import type { Pod } from "../cluster/objects.js";
import { needsKind, type Scenario } from "./scenario.js";

/** Longer than any election takes. */
const CUT_MS = 15_000;

export const nodeCutOff: Scenario = {
  id: "5.3",
  name: "node-cut-off",
  title: "a broker is cut off by the network, both ways and one way",
  skip: needsKind,
  run: async ({ cluster, nodes, step, victim, world }) => {
    if (nodes === null) return;
    const ordinal = await victim();
    const alone = await cluster.pod(ordinal);
    const others = (await cluster.pods()).filter(({ metadata }) => metadata.name !== alone.metadata.name);
    const target = `broker ${ordinal + 1}`;
    for (const { name, links } of ways(alone, others))
      await step(name, target, () => whileCut(nodes, links, () => world.pause(CUT_MS)));
  },
};

/** Packets of `from` to `to` are dropped. */
interface Link {
  readonly from: readonly Pod[];
  readonly to: Pod;
}

function ways(alone: Pod, others: readonly Pod[]): { readonly name: string; readonly links: readonly Link[] }[] {
  const deaf: Link[] = [{ from: others, to: alone }];
  const mute: Link[] = others.map((to) => ({ from: [alone], to }));
  return [
    { name: "cut off (partition)", links: [...deaf, ...mute] },
    { name: "cut off, mute (partition)", links: mute },
    { name: "cut off, deaf (partition)", links: deaf },
  ];
}

/** All that was cut is mended, whatever happens. */
async function whileCut(nodes: KindNodes, links: readonly Link[], work: () => Promise<void>): Promise<void> {
  const cut: Link[] = [];
  const failures: unknown[] = [];
  try {
    for (const link of links) {
      cut.push(link);
      await nodes.cut(link.from, link.to);
    }
    await work();
  } finally {
    for (const { from, to } of cut) await nodes.mend(from, to).catch((error: unknown) => failures.push(error));
  }
  if (failures.length > 0) throw failures[0];
}
