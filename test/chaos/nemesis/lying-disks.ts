/**
 * lying-disks.ts: a control: the disks of all brokers say that they have synced the write-ahead log and have not, and then the power fails. What
 * was acknowledged meanwhile is lost, and the checks must say so. No promise covers such disks; `all` leaves it out.
 */
import { waitUntil } from "../clock.js";
import type { Fault } from "./fault.js";

/** Acknowledged meanwhile, and lost. */
const SENDS = 100;
const LIE_MS_MAX = 60_000;

export const lyingDisks: Fault = {
  name: "lying-disks",
  does: "a control, which must be found out: syncs do nothing for a while, and then all power is cut",
  needs: "power",
  isControl: true,
  run: async ({ cluster, measures, struck }) => {
    const { ids } = cluster;
    const lie = { id: "lie", call: "sync", path: "/wal/", fault: { kind: "lie" } } as const;
    for (const id of ids) cluster.sabotageOf(id).setFiles([lie]);
    const enough = measures.acknowledged + SENDS;
    await waitUntil("sends are acknowledged by disks that lie", LIE_MS_MAX, async () => {
      return measures.acknowledged >= enough || `${enough - measures.acknowledged} are missing`;
    });
    await Promise.all(ids.map((id) => cluster.kill(id)));
    for (const id of ids) {
      cluster.sabotageOf(id).setFiles([]);
      cluster.sabotageOf(id).cutPower(() => true, null);
    }
    struck(`brokers ${ids.join(" ")}`);
    await Promise.all(ids.map((id) => cluster.restart(id)));
    await Promise.all(ids.map((id) => cluster.ready(id)));
  },
};
