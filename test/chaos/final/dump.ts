/**
 * dump.ts: what each replica's own files hold, as `final` events: read by the storage package from the folder of a broker that has stopped.
 *
 * Nothing between the disk and the history can hide a difference between replicas: no leader, no cache, no client.
 */
import { silentLogger } from "@varve/base";
import { nodeClock, nodeRandom } from "@varve/base/node";
import { decodeRecords } from "@varve/records";
import { nodeCodec } from "@varve/records/node";
import { type GroupLog, openStorage, type Storage } from "@varve/storage";
import { nodeDisk, nodeWalThread } from "@varve/storage/node";

const READ_BYTES = 1 << 20;
const MIB = 1 << 20;

export interface DumpedRecord {
  readonly offset: number;
  readonly key: string | null;
  readonly value: string | null;
}

/** The committed log of one replica. */
export interface Dump {
  readonly partition: number;
  readonly logStart: number;
  readonly highWatermark: number;
  readonly records: readonly DumpedRecord[];
}

/**
 * A topic's replicas in a data folder. The broker must have stopped, and everything must be committed.
 * @throws Error when one of `partitions` is not there.
 */
export async function dumpReplicas(dataDir: string, topicId: string, partitions: readonly number[]): Promise<Dump[]> {
  const storage = await open(dataDir);
  try {
    const logs = storage.groups().filter(({ spec }) => spec.topicId === topicId);
    const dumps: Dump[] = [];
    for (const partition of partitions) {
      const log = logs.find(({ spec }) => spec.partition === partition);
      if (log === undefined) throw new Error(`${dataDir} has no replica of partition ${partition}`);
      dumps.push(await dumpOf(log));
    }
    return dumps;
  } finally {
    await storage.close();
  }
}

function open(dataDir: string): Promise<Storage> {
  return openStorage(dataDir, nodeDisk, nodeWalThread(), nodeCodec, {
    clock: nodeClock,
    random: nodeRandom,
    logger: silentLogger,
    onFatal: (error) => {
      throw error;
    },
    walFileBytes: 64 * MIB,
    tailCacheBytesMax: 64 * MIB,
    undrainedBytesMax: 64 * MIB,
    diskReserveBytes: 0,
    checkpointIntervalBytes: 16 * MIB,
    producerExpiryMs: 604_800_000,
  });
}

async function dumpOf(log: GroupLog): Promise<Dump> {
  const { topicId, partition } = log.spec;
  if (log.quarantine !== null)
    throw new Error(`topic ${topicId} partition ${partition} is quarantined: ${log.quarantine}`);
  // The cluster was at rest: what lies here is committed, whether this replica had heard so or not.
  log.commitTo(log.lastIndex());
  const { logStartOffset, highWatermark } = log.pointers();
  const records: DumpedRecord[] = [];
  for (let offset = logStartOffset; offset < highWatermark; ) {
    const { batches, nextOffset } = await log.read(offset, READ_BYTES);
    for (const batch of batches) records.push(...recordsOf(batch).filter((record) => record.offset >= logStartOffset));
    if (nextOffset <= offset)
      throw new Error(`topic ${topicId} partition ${partition}: reading stops at offset ${offset}`);
    offset = nextOffset;
  }
  return { partition, logStart: logStartOffset, highWatermark, records };
}

function recordsOf(batch: Uint8Array): DumpedRecord[] {
  const text = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString());
  return [...decodeRecords(batch, nodeCodec)].map(({ offset, key, value }) => ({
    offset,
    key: text(key),
    value: text(value),
  }));
}
