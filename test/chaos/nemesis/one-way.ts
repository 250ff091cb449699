/** one-way.ts: a broker that is heard and hears nothing, or the reverse; or a single pair of which only one hears the other. */
import { type Fault, type FaultContext, pickVictim } from "./fault.js";

const CUT_MS_MIN = 1_000;
const CUT_MS_MAX = 8_000;

export const oneWay: Fault = {
  name: "one-way",
  does: "bytes pass in one direction only for up to 8 s: a broker is deaf, mute, or deaf to one other",
  unavailable: (brokers) => (brokers < 2 ? "one broker has no links" : null),
  run: async (context) => {
    const { cluster, prng, hold } = context;
    const victim = await pickVictim(context);
    await cut(context, victim);
    await hold(prng.between(CUT_MS_MIN, CUT_MS_MAX));
    await cluster.network.heal();
  },
};

async function cut({ cluster, prng, struck }: FaultContext, victim: number): Promise<void> {
  const { network, ids } = cluster;
  const others = ids.filter((id) => id !== victim);
  const kind = prng.pick(["deaf", "mute", "pair"] as const);
  const held = { kind: "held" } as const;
  if (kind === "pair") {
    const other = prng.pick(others);
    await network.change(other, victim, held);
    struck(`${victim} is deaf to ${other}`);
    return;
  }
  for (const other of others)
    await (kind === "deaf" ? network.change(other, victim, held) : network.change(victim, other, held));
  struck(`${victim} is ${kind}`);
}
