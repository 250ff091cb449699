/**
 * pause.ts: SIGSTOP of one broker, and SIGCONT: its connections stay open and nothing answers on them. When it wakes it may believe that it still
 * leads; it is asked at once.
 */
import { WokenAsker } from "../clients/woken-asker.js";
import { type Fault, pickVictim } from "./fault.js";

const FROZEN_MS_MIN = 500;
const FROZEN_MS_MAX = 8_000;

export const pause: Fault = {
  name: "pause",
  does: "SIGSTOP of one broker for up to 8 s: shorter and longer than an election takes; asked as soon as it wakes",
  run: async (context) => {
    const { cluster, prng, topic, partitions, recorder, hold, struck, measures } = context;
    const victim = await pickVictim(context);
    const asker = new WokenAsker(cluster.grpcOf(victim), recorder, topic, partitions);
    await asker.connect();
    cluster.freeze(victim);
    struck(`broker ${victim}`);
    await hold(prng.between(FROZEN_MS_MIN, FROZEN_MS_MAX));
    measures.woke(await asker.askAround(() => cluster.thaw(victim)));
  },
};
