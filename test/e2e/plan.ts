/**
 * plan.ts: which scenarios a run has, and on which cluster each is: one that begins with this version, one whose every link is encrypted, one that
 * begins with the previous version. Pure.
 */
import { replaceVolume } from "./scenarios/disk.js";
import { littleMemory } from "./scenarios/memory.js";
import { disconnect } from "./scenarios/network.js";
import { coldStart, kill, rollingRestart } from "./scenarios/restarts.js";
import { scaleIn, scaleOut } from "./scenarios/scaling.js";
import type { Scenario } from "./scenarios/scenario.js";
import { newAuthority, renewCertificates, securedRoll, strangers } from "./scenarios/security.js";
import { downgrade, finalize, upgrade } from "./scenarios/upgrade.js";

/** One cluster from its first broker to the verdict. */
export interface Life {
  readonly name: "current" | "secured" | "upgrade";
  readonly beginsWith: "current" | "previous";
  /** TLS for clients, who must have certificates, and mutual TLS between brokers. */
  readonly isSecured: boolean;
  readonly brokersMax: number;
  readonly scenarios: readonly Scenario[];
}

export interface Plan {
  /** The image's own facts, and deploy/compose.yaml as it stands. */
  readonly demo: boolean;
  readonly lives: readonly Life[];
  /** What was asked for and cannot be had, with why. */
  readonly skipped: readonly string[];
}

/** One word each; those of one other cluster belong together. */
const CURRENT: ReadonlyMap<string, readonly Scenario[]> = new Map([
  ["roll", [rollingRestart]],
  ["kill", [kill]],
  ["cold", [coldStart]],
  ["disconnect", [disconnect]],
  ["replace", [replaceVolume]],
  ["memory", [littleMemory]],
  ["scale", [scaleOut, scaleIn]],
]);
const DEMO = "demo";
const TLS = "tls";
const UPGRADE = "upgrade";

const SECURED: Life = {
  name: "secured",
  beginsWith: "current",
  isSecured: true,
  brokersMax: 3,
  scenarios: [strangers, renewCertificates, newAuthority, securedRoll],
};
const UPGRADED: Life = {
  name: "upgrade",
  beginsWith: "previous",
  isSecured: false,
  brokersMax: 3,
  scenarios: [upgrade, downgrade, finalize],
};

/** What can be asked for, in the order in which it runs. */
export const CHOICES: readonly string[] = [DEMO, ...CURRENT.keys(), TLS, UPGRADE];
/** What fits into CI's share of time. */
export const BRIEF: readonly string[] = [DEMO, "roll", "kill", "disconnect", "replace"];

/** @param previousMissing why there are no brokers of the previous version; null: there are. @throws Error that names the choices. */
export function planOf(wanted: readonly string[], previousMissing: string | null): Plan {
  const unknown = wanted.filter((name) => !CHOICES.includes(name));
  if (unknown.length > 0) throw new Error(`unknown: ${unknown.join(", ")}; there are ${CHOICES.join(", ")}`);
  const lives: Life[] = [];
  const scenarios = [...CURRENT].flatMap(([name, some]) => (wanted.includes(name) ? some : []));
  if (scenarios.length > 0) {
    const brokersMax = scenarios.includes(scaleOut) ? 5 : 3;
    lives.push({ name: "current", beginsWith: "current", isSecured: false, brokersMax, scenarios });
  }
  if (wanted.includes(TLS)) lives.push(SECURED);
  const upgrades = wanted.includes(UPGRADE);
  if (upgrades && previousMissing === null) lives.push(UPGRADED);
  const skipped = upgrades && previousMissing !== null ? [`${UPGRADE}: ${previousMissing}`] : [];
  return { demo: wanted.includes(DEMO), lives, skipped };
}
