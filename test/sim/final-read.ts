/**
 * final-read.ts: the last look: every replica's records, read from its memory and disk, are the committed ones.
 */
import { batchBaseOffset, batchLeaderEpoch, verifyBatch } from "@varve/records";
import { nodeCodec } from "@varve/records/node";
import type { GroupLog } from "@varve/storage";
import type { SimNode, World } from "./sim-node.js";
import { batchValue, type GroupTruth } from "./truth.js";
import { hold } from "./violation.js";

const READ_BYTES = 256 * 1024;
const READ_MS = 5_000;

/** @throws Violation when a replica lacks an acknowledged record, or has one that is not committed. */
export async function checkAgreement(world: World, nodes: readonly SimNode[]): Promise<void> {
  for (const groupId of world.groupIds) {
    const truth = world.checks.truth(groupId);
    const acked = world.checks.acknowledgements.acked.get(groupId) ?? new Map<string, number>();
    for (const node of nodes) {
      const log = node.log(groupId);
      hold("agreement", log !== null, () => `${node.name} has no log of group ${groupId}`);
      if (log === null) continue;
      const found = await readAll(world, log, truth);
      const { logStartOffset } = log.pointers();
      for (const [value, offset] of acked) {
        hold(
          "agreement",
          offset < logStartOffset || found.has(value),
          () => `${node.name} lacks ${value}, acknowledged at ${offset}, of group ${groupId}`,
        );
      }
    }
  }
}

/** Every value in a replica's log, each compared with the committed log. */
async function readAll(world: World, log: GroupLog, truth: GroupTruth): Promise<Set<string>> {
  const { logStartOffset, highWatermark } = log.pointers();
  const where = `replica ${log.spec.replicaId}`;
  hold("agreement", highWatermark === truth.endOffset, () => `${where} ends at ${highWatermark}`);
  const found = new Set<string>();
  for (let offset = logStartOffset; offset < highWatermark; ) {
    const { batches, nextOffset } = await whileTimePasses(world, async () => log.read(offset, READ_BYTES));
    for (const batch of batches) {
      verifyBatch(batch, nodeCodec);
      const value = batchValue(batch);
      const place = truth.placeOf(value);
      hold(
        "agreement",
        place !== null && place.offset === batchBaseOffset(batch) && place.term === batchLeaderEpoch(batch),
        () => `${where} has ${value} at ${batchBaseOffset(batch)}, committed at ${place?.offset}`,
      );
      found.add(value);
    }
    hold("agreement", nextOffset > offset, () => `${where}: a read at ${offset} finds nothing before ${highWatermark}`);
    offset = nextOffset;
  }
  return found;
}

/** The answer of work that needs the simulated disk, and so simulated time. */
async function whileTimePasses<T>(world: World, work: () => Promise<T>): Promise<T> {
  let outcome: { readonly value: T } | { readonly error: unknown } | null = null;
  work().then(
    (value) => {
      outcome = { value };
    },
    (error: unknown) => {
      outcome = { error };
    },
  );
  const { clock } = world;
  const endMs = clock.monotonicMs() + READ_MS;
  const isOpen = (): boolean => outcome === null;
  while (isOpen()) {
    hold("liveness", clock.monotonicMs() < endMs, () => "a read of a healthy replica does not end");
    await clock.runUntil(clock.monotonicMs() + 1);
  }
  return unwrap(outcome);
}

function unwrap<T>(outcome: { readonly value: T } | { readonly error: unknown } | null): T {
  if (outcome === null) throw new RangeError("the work is not done");
  if ("error" in outcome) throw outcome.error;
  return outcome.value;
}
