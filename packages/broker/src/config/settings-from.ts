/**
 * settings-from.ts: what a broker is told, from its configuration.
 */
import { MIB, SECOND_MS } from "@varve/base";
import type { BrokerSettings } from "../broker-settings.js";
import { VERSION } from "../version.js";
import { advertisedAddresses } from "./advertised.js";
import type { BrokerConfig } from "./settings.js";

const PEER_QUEUE_BYTES_MAX = 64 * MIB;
const RETENTION_CHECK_MS = SECOND_MS;

/**
 * `machine`: the name of the host where the configuration names none. `certifiedClusterId`: the cluster that this broker's certificate for its
 * peers names; null without one.
 */
export function settingsFrom(
  config: BrokerConfig,
  machine: string,
  certifiedClusterId: string | null = null,
): BrokerSettings {
  const { raft, limits, storage } = config;
  return {
    brokerId: config.brokerId,
    dataDir: config.dataDir,
    listenHost: config.listen.address,
    peerPort: config.listen.peerPort,
    peerAddress: advertisedAddresses(config).peerAddress,
    rack: config.rack,
    host: config.host ?? machine,
    version: VERSION,
    seeds: config.cluster.seeds,
    expectedClusterId: config.cluster.expectedClusterId,
    certifiedClusterId,
    heartbeatMs: raft.heartbeatMs,
    electionTimeoutMs: raft.electionTimeoutMs,
    appendBytesMax: raft.appendBytesMax,
    uncommittedBytesPerGroupMax: limits.uncommittedBytesPerGroupMax,
    inFlightBytesMax: limits.inFlightBytesMax,
    peerQueueBytesMax: PEER_QUEUE_BYTES_MAX,
    walFileBytes: storage.walFileBytes,
    tailCacheBytesMax: limits.tailCacheBytesMax,
    undrainedBytesMax: limits.undrainedBytesMax,
    batchBytesMax: limits.batchBytesMax,
    batchRecordsMax: limits.batchRecordsMax,
    recordBytesMax: limits.recordBytesMax,
    diskReserveBytes: storage.diskReserveBytes,
    checkpointIntervalBytes: storage.checkpointIntervalBytes,
    slowDiskMs: storage.slowDiskMs,
    hungDiskMs: storage.hungDiskMs,
    scrubBytesPerSecond: storage.scrubBytesPerSecond,
    scrubIntervalMs: storage.scrubIntervalMs,
    producerExpiryMs: limits.producerExpiryMs,
    retentionCheckMs: RETENTION_CHECK_MS,
    voterDeadMs: raft.voterDeadMs,
    stopGateMs: config.ops.stopGateMs,
    moveBytesPerSecond: limits.moveBytesPerSecond,
  };
}
