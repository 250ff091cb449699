/** index.ts: all kinds of faults, by name. */
import { delay } from "./delay.js";
import type { Fault } from "./fault.js";
import { kill } from "./kill.js";
import { loss } from "./loss.js";
import { oneWay } from "./one-way.js";
import { partition } from "./partition.js";
import { pause } from "./pause.js";
import { reset } from "./reset.js";
import { rolling } from "./rolling.js";
import { transfer } from "./transfer.js";

export const FAULTS: readonly Fault[] = [kill, pause, partition, oneWay, delay, loss, reset, rolling, transfer];

/** @throws Error that names what is unknown. */
export function faultsNamed(list: string): readonly Fault[] {
  if (list === "all") return FAULTS;
  if (list === "none") return [];
  return [...new Set(list.split(","))].map((name) => {
    const fault = FAULTS.find((one) => one.name === name);
    if (fault !== undefined) return fault;
    throw new Error(
      `--faults: ${JSON.stringify(name)} is unknown; there are ${FAULTS.map((one) => one.name).join(", ")}, all and none`,
    );
  });
}
