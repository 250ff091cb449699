/**
 * refusal.ts: damage on more replicas of a partition than it can lose: it must stop, say so and delete nothing, and the others go on.
 *
 * The last thing in a run, when all replicas agree, so that nothing else is asked of the cluster afterwards.
 * Source: Alagappan et al., "Protocol-Aware Recovery for Consensus-Based Storage", FAST 2018: what has no good copy must not be invented.
 */
import type { Prng } from "@varve/base/testing";
import type { Checks } from "./checks.js";
import type { Machine } from "./machine.js";
import type { Time } from "./time.js";
import { hold } from "./violation.js";
import type { Workload } from "./workload.js";

export interface RefusalWorld {
  readonly machines: readonly Machine[];
  readonly workload: Workload;
  readonly checks: Checks;
  readonly time: Time;
  readonly prng: Prng;
}

const READY_MS = 30_000;
/** Longer than all elections, repairs and retries of a cluster that could serve. */
const REFUSE_MS = 15_000;
/** Within the header of a segment, which names whose it is: a start reads that of the newest one. */
const SEGMENT_HEADER_BYTES = 92;

interface Stored {
  readonly machine: Machine;
  readonly path: string;
  readonly content: Uint8Array;
}

/** @throws Violation when the partition serves, or when what is left of it is deleted. */
export async function checkRefusal(world: RefusalWorld): Promise<"refused" | "not possible"> {
  const { machines, workload, time, prng } = world;
  const partition = prng.between(0, workload.partitions - 1);
  const groupId = workload.groupIdOf(partition);
  const voters = votersOf(machines, groupId);
  const holders = machines.filter((machine) => holds(machine, groupId, voters));
  const victims = holders.slice(0, Math.floor(voters.length / 2) + 1);
  const folder = workload.folderOf(partition);
  if (victims.length * 2 <= voters.length || victims.some((machine) => segmentsOf(machine, folder).length === 0))
    return "not possible";
  const left = victims.flatMap((machine) => damage(machine, folder, prng));
  for (const machine of victims) machine.start();
  await time.until("the damaged brokers are up, or refuse", READY_MS, () => victims.every(({ isWell }) => isWell));
  for (const machine of victims) {
    const log = machine.broker?.storage.group(groupId);
    hold(
      "A2",
      log == null || log.quarantine !== null,
      () => `${machine.name} serves a damaged replica of group ${groupId}`,
    );
  }
  const acked = await workload.isServed(partition, REFUSE_MS);
  hold(
    "A2",
    !acked,
    () => `partition ${partition} takes records with damage on ${victims.length} of ${voters.length} voters`,
  );
  for (const { machine, path, content } of left) {
    const isThere = machine.disk.paths().includes(path) && Buffer.from(machine.disk.contentOf(path)).equals(content);
    hold("A2", isThere, () => `${machine.name} has deleted or changed ${path}, which nobody else has whole`);
  }
  return "refused";
}

/** Replica ids of the newest configuration that a machine knows. */
function votersOf(machines: readonly Machine[], groupId: number): readonly number[] {
  const logs = machines.flatMap((machine) => machine.replica(groupId)?.log ?? []);
  const newest = logs.sort((one, other) => other.pointers().appliedIndex - one.pointers().appliedIndex)[0];
  return newest?.replicas.voters ?? [];
}

function holds(machine: Machine, groupId: number, voters: readonly number[]): boolean {
  const log = machine.replica(groupId)?.log;
  return log !== undefined && log.quarantine === null && voters.includes(log.spec.replicaId);
}

/** Changes a bit in the header of every segment there, with the broker down. @returns what must still be there afterwards. */
function damage(machine: Machine, folder: string, prng: Prng): Stored[] {
  machine.kill();
  machine.isDamaged = true;
  const paths = segmentsOf(machine, folder);
  for (const path of paths)
    machine.disk.flipBit(path, prng.between(0, SEGMENT_HEADER_BYTES - 1), 1 << prng.between(0, 7));
  return paths.map((path) => ({ machine, path, content: machine.disk.contentOf(path) }));
}

function segmentsOf({ disk }: Machine, folder: string): string[] {
  return disk.paths().filter((path) => path.includes(folder) && path.endsWith(".log"));
}
