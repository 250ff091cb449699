/**
 * replace.ts: a broker loses its disk for good; it is declared gone, starts on an empty one, and its replicas are made anew from the others.
 *
 * One disk at a time: it begins only when every replica is whole, and ends when it is again.
 */
import { rmSync } from "node:fs";
import { waitUntil } from "../clock.js";
import { type Fault, pickVictim } from "./fault.js";

const WHOLE_MS = 20_000;
const NOTICED_MS = 30_000;
const REMADE_MS = 120_000;

export const replace: Fault = {
  name: "replace",
  does: "one broker loses its disk, is replaced with an empty one, and gets everything again from the others",
  unavailable: (brokers) => (brokers < 3 ? "the others could not make its replicas anew" : null),
  run: async (context) => {
    const { cluster, varve, struck, whole } = context;
    if (!(await whole(WHOLE_MS))) return;
    const victim = await pickVictim(context);
    await cluster.kill(victim);
    rmSync(cluster.dataDirOf(victim), { recursive: true, force: true });
    struck(`broker ${victim}`, `broker ${victim} lost its disk`);
    await waitUntil(`broker ${victim} is declared gone`, NOTICED_MS, async () => {
      await varve.admin.replaceBroker({ broker: victim });
      return true;
    });
    await cluster.restart(victim);
    await cluster.ready(victim);
    if (!(await whole(REMADE_MS))) throw new Error(`broker ${victim} did not get its replicas again`);
  },
};
