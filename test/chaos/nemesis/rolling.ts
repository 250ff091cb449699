/** rolling.ts: every broker is stopped in order and started again, one after another, as an upgrade does it. */
import type { Fault } from "./fault.js";

export const rolling: Fault = {
  name: "rolling",
  does: "SIGTERM and start of every broker, one after another, each when the one before is ready",
  run: async ({ cluster, struck }) => {
    struck(`brokers ${cluster.ids.join(" ")}`);
    for (const id of cluster.ids) {
      await cluster.stopOne(id);
      await cluster.restart(id);
      await cluster.ready(id);
    }
  },
};
