/**
 * node-drain.ts: 5.3: a node is drained; while its broker has no other place the budget holds back the second drain. The broker waits for its node's
 * volume where that is local, or comes back elsewhere where it is not; both are well.
 */
import { isReady } from "../cluster/objects.js";
import { READY_MS } from "../cluster/varve-cluster.js";
import { expect, expectShortGaps, type Scenario } from "./scenario.js";

const DRAIN_MS = 480_000;
const HELD_SECONDS = 25;
const FLAGS = ["--ignore-daemonsets", "--delete-emptydir-data"];

export const nodeDrain: Scenario = {
  id: "5.3",
  name: "node-drain",
  title: "a node is drained, the budget holds the second eviction",
  skip: ({ nodeCount }) => (nodeCount < 3 ? "needs three nodes" : null),
  run: async ({ cluster, kubectl, step, victim, note }) => {
    const ordinal = await victim();
    const { metadata, spec } = await cluster.pod(ordinal);
    const node = spec.nodeName ?? "";
    const others = (await cluster.pods()).filter((pod) => pod.spec.nodeName !== node);
    const second = others[0]?.spec.nodeName ?? "";
    expect(
      others.length === 2,
      `${3 - others.length} brokers are on ${node}: the budget would hold its drain for ever`,
    );
    const drain = (name: string, timeout: string): string[] => {
      return ["drain", name, ...FLAGS, `--pod-selector=${cluster.selector}`, `--timeout=${timeout}`];
    };
    const rows = await step("node drained", `broker ${ordinal + 1}`, async () => {
      await kubectl.run(drain(node, "7m"), { timeoutMs: DRAIN_MS });
      await cluster.whenReplaced(metadata.name, metadata.uid);
      if (isReady(await cluster.pod(ordinal)))
        note("the drained broker came back on another node before the second drain");
      else {
        const { code, stderr } = await kubectl.attempt(drain(second, `${HELD_SECONDS}s`), { timeoutMs: READY_MS });
        const isBack = isReady(await cluster.pod(ordinal));
        expect(code !== 0 || isBack, "the second node was drained although a broker was away");
        if (code !== 0 && !isBack) {
          expect(/disruption budget/.test(stderr), `the second drain ended for another reason: ${stderr}`);
          const ready = (await cluster.pods()).filter(isReady).length;
          expect(ready >= 2, `${ready} brokers are ready while the budget holds`);
        }
        note(
          code === 0 ? "the second drain went on when the first broker was back" : "the budget held the second drain",
        );
        await kubectl.run(["uncordon", second]);
      }
      await kubectl.run(["uncordon", node]);
    });
    expectShortGaps(rows);
  },
};
