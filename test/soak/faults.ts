/**
 * faults.ts: what happens to the brokers while records are sent: one after another is killed, stopped in order or frozen, and now and then
 * all of them are killed for longer than a delivery may take.
 */
import { setTimeout as pause } from "node:timers/promises";
import { assertDefined } from "@varve/base";
import { Prng } from "@varve/base/testing";
import type { Varve } from "@varve/client";
import type { LocalBrokers } from "varve";

const KINDS = ["kill all", "kill", "stop", "freeze"] as const;
type Kind = (typeof KINDS)[number];

const DOWN_MS = 1_500;
const FROZEN_MS = 3_000;
const CALM_MS = 3_000;
const HEALTHY_MS = 60_000;
const LOOK_MS = 100;

export interface FaultsOptions {
  readonly brokers: LocalBrokers;
  readonly varve: Varve;
  readonly seed: number;
  /** How long all brokers are down together. */
  readonly outageMs: number;
  readonly say: (text: string) => void;
}

/** Breaks and mends in turn until `signal` is aborted; resolves when all is mended. @throws when the cluster does not come back. */
export async function breakUntil(signal: AbortSignal, options: FaultsOptions): Promise<void> {
  const prng = new Prng(options.seed);
  for (let round = 0; !signal.aborted; round++) {
    await pause(CALM_MS, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    const kind = assertDefined(KINDS[round % KINDS.length], "the round names a kind");
    await fault(kind, prng, options);
    await healthy(options.varve);
  }
}

async function fault(kind: Kind, prng: Prng, { brokers, outageMs, say }: FaultsOptions): Promise<void> {
  const places = brokers.places();
  const victim = prng.pick(places);
  say(kind === "kill all" ? `all brokers are killed for ${outageMs / 1_000} s` : `${kind} broker ${victim.id}`);
  if (kind === "freeze") {
    process.kill(victim.pid, "SIGSTOP");
    await pause(FROZEN_MS);
    process.kill(victim.pid, "SIGCONT");
    return;
  }
  if (kind === "kill all") {
    for (const { id } of places) brokers.kill(id);
    await pause(outageMs);
    await Promise.all(places.map(({ id }) => brokers.restart(id)));
    return;
  }
  process.kill(victim.pid, kind === "kill" ? "SIGKILL" : "SIGTERM");
  await pause(DOWN_MS);
  await brokers.restart(victim.id);
}

/** Resolves when every broker is ready and every partition is led and fully replicated. */
export async function healthy(varve: Varve): Promise<void> {
  const endMs = performance.now() + HEALTHY_MS;
  for (;;) {
    const health = await varve.admin
      .clusterHealth()
      .catch((error: unknown) => ({ healthy: false, problems: [String(error)] }));
    if (health.healthy) return;
    if (performance.now() > endMs) {
      throw new Error(`the cluster is not healthy again after ${HEALTHY_MS / 1_000} s: ${JSON.stringify(health)}`);
    }
    await pause(LOOK_MS);
  }
}
