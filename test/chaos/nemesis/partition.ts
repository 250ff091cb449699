/**
 * partition.ts: brokers do not hear each other: one from the rest, two halves, or two that only a third one reaches (a bridge). Clients
 * mostly reach everybody, so that they meet leaders without a quorum; sometimes they are cut off together with the smaller side.
 */
import { CLIENTS } from "../cluster/fabric.js";
import { type Fault, pickVictim } from "./fault.js";
import { alone, halves, shown } from "./sides.js";

const CUT_MS_MIN = 500;
const CUT_MS_MAX = 8_000;
const CLIENTS_TOO_RATIO = 0.25;
/** Connections do not always outlive a cut: a firewall forgets them, a keepalive gives up. */
const RESET_RATIO = 0.3;

export const partition: Fault = {
  name: "partition",
  does: "no bytes between two sides for up to 8 s, both ways: one broker, halves, or a bridge",
  unavailable: (brokers) => (brokers < 2 ? "one broker has nobody to be cut off from" : null),
  run: async (context) => {
    const { cluster, prng, hold, struck } = context;
    const { network, ids } = cluster;
    const victim = await pickVictim(context);
    const shape = prng.pick(["one", "halves", ...(ids.length > 2 ? ["bridge"] : [])]);
    const sides = shape === "halves" ? halves(ids, prng) : alone(victim, ids);
    // Over the bridge, the last of the other side, everybody is still reached.
    const right = shape === "bridge" ? sides.right.slice(0, -1) : sides.right;
    await network.divide(sides.left, right);
    const clientsToo = shape !== "bridge" && prng.chance(CLIENTS_TOO_RATIO);
    if (clientsToo) await network.divide(sides.left, [CLIENTS]);
    const how = `${shape} ${shown({ left: sides.left, right })}${clientsToo ? ", clients on the right" : ""}`;
    struck(shape === "one" ? `broker ${victim}` : how, how);
    await hold(prng.between(CUT_MS_MIN, CUT_MS_MAX));
    await network.heal();
    if (prng.chance(RESET_RATIO)) for (const id of sides.left) network.reset(id);
  },
};
