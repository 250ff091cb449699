/**
 * liveness.ts: what a quorum must be able to do when the others are gone: a random majority is healed, the rest stays dead, paused or cut off.
 *
 * Checked: A1 (every partition with a majority in the core takes records again in time), A4 (leaders stay where they are). A5 (replicas come to
 * the same logs) is checked after all is healed.
 * Source: the promises A1, A4, A5; the method is TigerBeetle's VOPR ("liveness mode" with a connected core).
 */
import type { Prng } from "@varve/base/testing";
import type { Checks } from "./checks.js";
import type { Machine } from "./machine.js";
import { between, type NetworkFaults } from "./network-faults.js";
import type { Time } from "./time.js";
import { hold } from "./violation.js";
import type { Workload } from "./workload.js";

/**
 * A1, from the moment that the quorum is there: a candidate may learn of a newer term from its first election, and needs a second one. Each
 * begins after up to twice the election timeout; then clients find the leader.
 */
const ELECTIONS = 2;
const FIND_MS = 2_000;
/**
 * How long leaders are watched, and how often one may still change: elected, let go by a broker whose disk was slow until a moment ago, given back to it
 * as the preferred one when it has been fast for a while. Leaderships that nobody keeps change every second.
 */
const WATCH_MS = 4_000;
const CHANGES_MAX = 3;

const CONTROLLER = 0;

/**
 * A random majority of the machines that are not damaged. One that was asked to leave may have left without knowing it: it counts for the size, and
 * is taken only when the others are too few. While one is replaced fewer vote in the controller's group: a majority of those must be among them,
 * or no broker that starts becomes ready.
 */
export function drawCore(machines: readonly Machine[], prng: Prng): Machine[] {
  const members = machines.filter(({ isRetired }) => !isRetired);
  const whole = members.filter(({ isDamaged }) => !isDamaged);
  const size = Math.floor(members.length / 2) + 1;
  const core: Machine[] = [];
  for (const group of [whole.filter(({ isLeaving }) => !isLeaving), whole.filter(({ isLeaving }) => isLeaving)])
    while ((core.length < size || !haveController(core, machines)) && group.length > 0)
      core.push(...group.splice(prng.between(0, group.length - 1), 1));
  return core;
}

/** Whether they are a quorum of the newest voters that a running machine knows of; true when none runs. */
export function haveController(core: readonly Machine[], machines: readonly Machine[]): boolean {
  const logs = machines.flatMap((machine) => machine.replica(CONTROLLER)?.log ?? []);
  const [newest] = logs.sort((left, right) => right.pointers().appliedIndex - left.pointers().appliedIndex);
  if (newest === undefined) return true;
  const ids = new Set(core.map(({ controllerReplicaId }) => controllerReplicaId));
  const { voters, votersOutgoing } = newest.replicas;
  return [voters, votersOutgoing].every(
    (half) => half.length === 0 || half.filter((id) => ids.has(id)).length > half.length / 2,
  );
}

/** The rest is dead, paused or cut off; what this returns ends it. */
export function keepAway(
  core: readonly Machine[],
  rest: readonly Machine[],
  network: NetworkFaults,
  prng: Prng,
): () => void {
  const ends = rest.map((machine) => {
    const how = prng.pick(["dead", "paused", "cut"] as const);
    if (how === "dead") machine.crash(true);
    else if (how === "paused") machine.pause();
    else
      return network.cut(
        between(
          [machine.name],
          core.map(({ name }) => name),
        ),
      );
    return () => {};
  });
  return () => {
    for (const end of ends) end();
  };
}

export interface QuorumCheck {
  readonly core: readonly Machine[];
  readonly checks: Checks;
  readonly time: Time;
  readonly workload: Workload;
  readonly electionTimeoutMs: number;
}

/** @throws Violation when the core does not serve in time or does not keep its leaders. */
export async function checkQuorumServes(check: QuorumCheck): Promise<void> {
  const { core, checks, time, workload, electionTimeoutMs } = check;
  const partitions = workload.partitionsWithin(core);
  const serveMs = ELECTIONS * 2 * electionTimeoutMs + FIND_MS;
  await time.finish("the quorum takes records again", serveMs, workload.probe(core, partitions));
  const before = new Map(checks.leaderChanges);
  const changesMax = CHANGES_MAX + workload.openTransfers;
  await time.pass(WATCH_MS);
  for (const [groupId, changes] of checks.leaderChanges) {
    const fresh = changes - (before.get(groupId) ?? 0);
    hold(
      "A4",
      fresh <= changesMax,
      () => `group ${groupId} changed its leader ${fresh} times in ${WATCH_MS} ms of peace`,
    );
  }
}
