/** settings.ts: what a run is told on its command line. */
import { parseArgs } from "node:util";
import { chooseVariants, VARIANTS, type Variant } from "./broken/variants.js";
import type { Fault } from "./nemesis/fault.js";
import { chooseFaults, FAULTS } from "./nemesis/index.js";

export interface ChaosSettings {
  /** How long clients and nemesis work. */
  readonly runMs: number;
  /** Ends the load after so many faults; null: when the time is over. */
  readonly rounds: number | null;
  /** Each kind strikes once, briefly, and then the load ends. */
  readonly once: boolean;
  readonly faults: readonly Fault[];
  readonly skipped: readonly { readonly name: string; readonly why: string }[];
  /** Draws faults, victims and keys. */
  readonly seed: number;
  readonly brokers: number;
  readonly partitions: number;
  readonly sendsPerSecond: number;
  /** Whether groups of worker processes work through the topic, too. */
  readonly groups: boolean;
  /** Whether each broker has a network namespace of its own, instead of proxies. */
  readonly namespaces: boolean;
  /** How the brokers are broken, so that the checks must find it; none: they are as they are shipped. */
  readonly broken: readonly Variant[];
  /** Whether the brokers' folders stay after the run. */
  readonly keep: boolean;
  /** Folder of history and reports. */
  readonly out: string;
}

export const USAGE = `usage: npm run chaos -- [options]
  --minutes N            how long the cluster is broken under load (2)
  --faults LIST          kinds with commas, all, or none (kill,pause,partition):
${FAULTS.map(({ name, does }) => `                           ${name.padEnd(12)} ${does}`).join("\n")}
  --rounds N             ends the load after N faults, if the time is not over before (none)
  --once                 each kind strikes once and briefly, then the load ends; one that never does is a problem of the run
  --seed S               draws faults, victims and keys (random)
  --brokers N            1 .. 5 (3)
  --partitions N         1 .. 24 (6)
  --sends-per-second N   of all producers together (200)
  --no-groups            no groups of worker processes
  --namespaces           a network namespace for each broker instead of proxies: packets are really lost (Linux, root)
  --broken LIST          a control: brokers that are broken on purpose, which the checks must find; with commas, or all; exit 1:
${VARIANTS.map(({ name, does }) => `                           ${name.padEnd(18)} ${does}`).join("\n")}
  --keep                 keep the brokers' folders
  --out DIR              where history.jsonl, report.txt and report.html go (chaos-report)
`;

/** @throws Error that says what is wrong with the arguments. */
export function parseSettings(args: readonly string[]): ChaosSettings {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    args: [...args],
    strict: true,
    options: {
      minutes: text,
      faults: text,
      rounds: text,
      seed: text,
      brokers: text,
      partitions: text,
      "sends-per-second": text,
      keep: { type: "boolean" },
      "no-groups": { type: "boolean" },
      namespaces: { type: "boolean" },
      once: { type: "boolean" },
      broken: text,
      out: text,
    },
  });
  const brokers = integerIn("brokers", values.brokers ?? "3", 1, 5);
  const groups = values["no-groups"] !== true;
  const namespaces = values.namespaces ?? false;
  const broken = values.broken === undefined ? [] : chooseVariants(values.broken);
  const shownBy = broken.map((variant) => variant.faults).join(",");
  const faults = values.faults ?? (broken.length > 0 ? shownBy : "kill,pause,partition");
  return {
    runMs: numberIn("minutes", values.minutes ?? "2", 0.1, 24 * 60) * 60_000,
    rounds: values.rounds === undefined ? null : integerIn("rounds", values.rounds, 1, 100_000),
    once: values.once ?? false,
    ...chooseFaults(faults, { brokers, groups, namespaces }),
    groups,
    namespaces,
    broken,
    seed: integerIn("seed", values.seed ?? String(1 + (Date.now() % 2 ** 32)), 0, Number.MAX_SAFE_INTEGER),
    brokers,
    partitions: integerIn("partitions", values.partitions ?? "6", 1, 24),
    sendsPerSecond: integerIn("sends-per-second", values["sends-per-second"] ?? "200", 2, 10_000),
    keep: values.keep ?? false,
    out: values.out ?? "chaos-report",
  };
}

/** What to type for a run with the same draws. */
export function commandOf(settings: ChaosSettings): string {
  const { runMs, rounds, faults, seed, brokers, partitions, sendsPerSecond, groups, namespaces, broken } = settings;
  const names = faults.length === 0 ? "none" : faults.map(({ name }) => name).join(",");
  return [
    "npm run chaos --",
    `--minutes ${runMs / 60_000} --faults ${names}`,
    ...(rounds === null ? [] : [`--rounds ${rounds}`]),
    ...(settings.once ? ["--once"] : []),
    `--brokers ${brokers} --partitions ${partitions} --sends-per-second ${sendsPerSecond}`,
    ...(groups ? [] : ["--no-groups"]),
    ...(namespaces ? ["--namespaces"] : []),
    ...(broken.length === 0 ? [] : [`--broken ${broken.map(({ name }) => name).join(",")}`]),
    `--seed ${seed}`,
  ].join(" ");
}

function numberIn(name: string, given: string, min: number, max: number): number {
  const value = Number(given);
  if (given !== "" && value >= min && value <= max) return value;
  throw new Error(`--${name} must be a number in ${min} .. ${max}, not ${JSON.stringify(given)}`);
}

function integerIn(name: string, given: string, min: number, max: number): number {
  const value = numberIn(name, given, min, max);
  if (Number.isInteger(value)) return value;
  throw new Error(`--${name} must be an integer, not ${given}`);
}
