/** index.ts: all scenarios, in the order in which they run: what is gentle first. */
import { badImage } from "./bad-image.js";
import { coldStart, nodesRestart } from "./cold-start.js";
import { containerKill } from "./container-kill.js";
import { insideOutside } from "./inside-outside.js";
import { install } from "./install.js";
import { littleMemory } from "./little-memory.js";
import { nodeCutOff } from "./node-cut-off.js";
import { nodeDrain } from "./node-drain.js";
import { nodeKill } from "./node-kill.js";
import { podDelete } from "./pod-delete.js";
import { rollingRestart } from "./rolling-restart.js";
import { scale } from "./scale.js";
import type { Scenario } from "./scenario.js";
import { slowDisk } from "./slow-disk.js";
import { tls } from "./tls.js";
import { upgrade } from "./upgrade.js";
import { volumeLost } from "./volume-lost.js";

export const SCENARIOS: readonly Scenario[] = [
  install,
  rollingRestart,
  badImage,
  podDelete,
  containerKill,
  nodeKill,
  nodeDrain,
  nodeCutOff,
  volumeLost,
  scale,
  upgrade,
  tls,
  coldStart,
  nodesRestart,
  slowDisk,
  littleMemory,
  insideOutside,
];
