/**
 * nemesis.ts: breaks and mends in turn until the run is over.
 *
 * Each kind has its turn in every round, in an order drawn for the round, so that a run of some length has had all of them. Between two
 * faults the cluster is left alone: sometimes until it is healthy, sometimes for a moment only, so that a fault meets a recovery.
 *
 * Once: a single round of short faults. A kind whose turn came when there was nothing to strike gets another turn at the round's end.
 */
import { assert } from "@varve/base";
import type { Prng } from "@varve/base/testing";
import { nowMs, pause } from "../clock.js";
import type { TimedEvent } from "../recorder.js";
import type { Fault, FaultContext } from "./fault.js";

const CALM_MS_MIN = 300;
const CALM_MS_MAX = 2_500;
/** Longer than any run. */
const FOREVER_MS = 2 ** 31 - 1;
const HEALTHY_RATIO = 0.5;
/** Nobody waits longer than this for the cluster to be well. */
const HEALTHY_MS = 20_000;
/** How long faults last in a run in which each strikes once, of how long they last otherwise. */
const BRIEF_RATIO = 0.35;
/** Turns of a kind in such a run, until it is given up. */
const TURNS_MAX = 4;

export interface NemesisOptions extends Omit<FaultContext, "hold" | "holdFor" | "struck"> {
  readonly faults: readonly Fault[];
  /** Strikes after which it is done; null: when the time is over. */
  readonly rounds: number | null;
  /** Each kind strikes once, briefly, and then it is done. */
  readonly once: boolean;
  /** Gets each fault when it is mended. */
  readonly strikes: Strike[];
  readonly say: (text: string) => void;
}

/** One fault as it happened. */
export interface Strike {
  readonly name: string;
  readonly target: string;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Resolves when `signal` is aborted and what was broken is mended. */
export async function breakUntil(signal: AbortSignal, options: NemesisOptions): Promise<void> {
  const { faults, prng, strikes } = options;
  let round: readonly Fault[] = [];
  if (faults.length === 0) await pause(FOREVER_MS, signal);
  if (options.once) return breakOnce(signal, options);
  const roundsMax = options.rounds ?? Number.POSITIVE_INFINITY;
  while (!signal.aborted && faults.length > 0 && strikes.length < roundsMax) {
    const [fault, ...later] = round.length > 0 ? round : shuffled(faults, prng);
    round = later;
    await pause(prng.between(CALM_MS_MIN, CALM_MS_MAX), signal);
    if (signal.aborted || fault === undefined) break;
    await strike(fault, signal, options);
    if (prng.chance(HEALTHY_RATIO)) await options.whole(HEALTHY_MS);
  }
}

/** @throws Error that names the kinds that never struck. */
async function breakOnce(signal: AbortSignal, options: NemesisOptions): Promise<void> {
  const { faults, prng, strikes } = options;
  const turns = shuffled(faults, prng).map((fault) => ({ fault, turnsLeft: TURNS_MAX }));
  for (let next = turns.shift(); next !== undefined && !signal.aborted; next = turns.shift()) {
    const { fault, turnsLeft } = next;
    await pause(BRIEF_RATIO * prng.between(CALM_MS_MIN, CALM_MS_MAX), signal);
    if (await strike(fault, signal, options)) continue;
    await options.whole(HEALTHY_MS);
    if (turnsLeft > 1) turns.push({ fault, turnsLeft: turnsLeft - 1 });
  }
  const missing = faults.filter((fault) => !strikes.some(({ name }) => name === fault.name));
  if (missing.length > 0) throw new Error(`never struck: ${missing.map(({ name }) => name).join(", ")}`);
}

/** @returns whether it has struck. */
async function strike(fault: Fault, signal: AbortSignal, options: NemesisOptions): Promise<boolean> {
  const { recorder, say, cluster, prng, varve, topic, partitions, groups, measures, whole } = options;
  const { name } = fault;
  const struck: { target: string; fromMs: number }[] = [];
  const event = (t: number, type: "invoke" | "ok"): TimedEvent => ({ t, proc: "nemesis", type, f: "nemesis" });
  await fault.run({
    cluster,
    prng,
    varve,
    topic,
    recorder,
    partitions,
    groups,
    measures,
    whole,
    hold: (ms) => pause(options.once ? BRIEF_RATIO * ms : ms, signal),
    holdFor: (ms) => pause(ms, signal),
    struck: (target, how) => {
      assert(struck.length === 0, "a fault strikes once in a run of its own");
      const fromMs = nowMs();
      struck.push({ target: how ?? target, fromMs });
      say(`${name}: ${how ?? target}`);
      recorder.add(event(fromMs, "invoke"), { name, target, how });
    },
  });
  const toMs = nowMs();
  if (struck.length > 0) recorder.add(event(toMs, "ok"), {});
  options.strikes.push(...struck.map(({ target, fromMs }) => ({ name, target, fromMs, toMs })));
  return struck.length > 0;
}

function shuffled<T>(items: readonly T[], prng: Prng): readonly T[] {
  return items
    .map((item) => ({ item, at: prng.ratio() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
