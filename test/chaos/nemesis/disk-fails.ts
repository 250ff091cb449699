/**
 * disk-fails.ts: one sync of a broker's disk fails. What it wrote may be lost and nobody can say, so the process must end by itself; it is started
 * again with a disk that works.
 */
import { type Fault, pickVictim } from "./fault.js";

/** The write-ahead log is synced all the time, and an idle one within 100 ms. */
const ENDS_MS = 15_000;
const DOWN_MS_MAX = 1_000;

export const diskFails: Fault = {
  name: "disk-fails",
  does: "EIO for one sync of one broker's write-ahead log: the process must end by itself",
  needs: "files",
  run: async (context) => {
    const { cluster, prng, hold, struck } = context;
    const victim = await pickVictim(context);
    const sabotage = cluster.sabotageOf(victim);
    const skip = prng.between(0, 20);
    sabotage.setFiles([
      { id: "eio", call: "sync", path: "/wal/", skip, count: 1, fault: { kind: "error", code: "EIO" } },
    ]);
    await cluster.endsItself(victim, ENDS_MS);
    struck(`broker ${victim}`);
    sabotage.setFiles([]);
    await hold(prng.between(0, DOWN_MS_MAX));
    await cluster.restart(victim);
    await cluster.ready(victim);
  },
};
