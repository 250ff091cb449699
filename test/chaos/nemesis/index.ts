/** index.ts: all kinds of faults, by name. */
import { sabotageProblem } from "../cluster/sabotage.js";
import { clock } from "./clock.js";
import { coordinator } from "./coordinator.js";
import { decommission } from "./decommission.js";
import { delay } from "./delay.js";
import { diskFails } from "./disk-fails.js";
import { diskSlow } from "./disk-slow.js";
import { drain } from "./drain.js";
import type { Fault } from "./fault.js";
import { kill, leaderKill } from "./kill.js";
import { leaderCut } from "./leader-cut.js";
import { loss } from "./loss.js";
import { lyingDisks } from "./lying-disks.js";
import { memberKill } from "./member-kill.js";
import { memberZombie } from "./member-zombie.js";
import { move } from "./move.js";
import { oneWay } from "./one-way.js";
import { partition } from "./partition.js";
import { leaderPause, pause } from "./pause.js";
import { power } from "./power.js";
import { replace } from "./replace.js";
import { repliesLost } from "./replies-lost.js";
import { reset } from "./reset.js";
import { rolling } from "./rolling.js";
import { seek } from "./seek.js";
import { staticTwice } from "./static-twice.js";
import { storm } from "./storm.js";
import { transfer } from "./transfer.js";

export const FAULTS: readonly Fault[] = [
  kill,
  leaderKill,
  pause,
  leaderPause,
  partition,
  leaderCut,
  oneWay,
  delay,
  loss,
  reset,
  repliesLost,
  rolling,
  transfer,
  drain,
  move,
  decommission,
  replace,
  power,
  diskSlow,
  diskFails,
  clock,
  coordinator,
  memberKill,
  memberZombie,
  storm,
  staticTwice,
  seek,
  lyingDisks,
];

/** The kinds of a list, and those of them that this machine or run cannot have. */
export interface ChosenFaults {
  readonly faults: readonly Fault[];
  readonly skipped: readonly { readonly name: string; readonly why: string }[];
}

/** What `all` means. */
export const honestNames = (): string[] => FAULTS.filter(({ isControl }) => isControl !== true).map(({ name }) => name);

function whyNot(fault: Fault, { brokers, groups, namespaces }: RunShape): string | null {
  if (fault.needsProxies === true && namespaces) return "the links of namespaces are cut and nothing else";
  if (fault.needsGroups === true && !groups) return "the run has no groups";
  return (fault.needs === undefined ? null : sabotageProblem()) ?? fault.unavailable?.(brokers) ?? null;
}

/** What a run has that can be broken. */
export interface RunShape {
  readonly brokers: number;
  readonly groups: boolean;
  /** The network is the system's, without proxies. */
  readonly namespaces: boolean;
}

/** @throws Error that names what is unknown. */
export function chooseFaults(list: string, shape: RunShape): ChosenFaults {
  const names = list === "none" ? [] : list === "all" ? honestNames() : [...new Set(list.split(","))];
  const chosen = names.map((name) => {
    const fault = FAULTS.find((one) => one.name === name);
    if (fault !== undefined) return { fault, why: whyNot(fault, shape) };
    const known = FAULTS.map((one) => one.name).join(", ");
    throw new Error(`--faults: ${JSON.stringify(name)} is unknown; there are ${known}, all and none`);
  });
  return {
    faults: chosen.flatMap(({ fault, why }) => (why === null ? [fault] : [])),
    skipped: chosen.flatMap(({ fault, why }) => (why === null ? [] : [{ name: fault.name, why }])),
  };
}
