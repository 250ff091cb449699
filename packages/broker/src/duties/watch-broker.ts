/**
 * watch-broker.ts: lets the metrics read what a broker knows, at each scrape.
 */
import { SUPPORTED_LEVELS } from "@varve/cluster";
import { CREDIT_BYTES_MAX } from "../api/subscriptions.js";
import type { Traffic } from "../api/traffic.js";
import type { Broker } from "../broker.js";
import type { BrokerConfig } from "../config/index.js";
import type { BrokerMetrics } from "../ops/index.js";
import type { Partition } from "../partition/partition.js";
import { type StatusDesk, seriesOf } from "../status-page/index.js";

export function watchBroker(
  metrics: BrokerMetrics,
  broker: Broker,
  traffic: Traffic,
  config: BrokerConfig,
  desk: StatusDesk,
): void {
  const { storage, partitions, settings } = broker;
  const count = (wanted: (partition: Partition) => boolean): number => {
    let found = 0;
    for (const partition of partitions.all()) if (wanted(partition)) found++;
    return found;
  };
  let underReplicated = 0;
  metrics.watchGauge("replicas", () => count(() => true));
  metrics.watchGauge("partitionsLed", () => count((partition) => partition.servingEpoch() !== null));
  // Read right after the report that counts them.
  metrics.watchGauge("partitionsUnderReplicated", () => underReplicated);
  metrics.watchGauge("partitionsLeaderless", () => broker.facts().replicasLeaderless);
  metrics.watchGauge("replicasQuarantined", () => count((partition) => partition.log.quarantine !== null));
  metrics.watchGauge("replicasBehind", () => broker.presence.facts().replicasBehind ?? 0);
  metrics.watchGauge("stopGatePartitions", () => broker.presence.stopGate.waitingPartitions);
  metrics.watchGauge("stopGateWait", () => broker.presence.stopGate.waitedMs / 1_000);
  metrics.watchGauge("controllerLeader", () => (broker.controller?.isServing() ? 1 : 0));
  metrics.watchGauge("metadataVersion", () => broker.controller?.state.metadataVersion ?? 0);
  metrics.watchGauge("brokersRegistered", () => broker.controller?.state.brokers().length ?? 0);
  metrics.watchGauge("featureLevel", () => broker.controller?.state.featureLevel ?? 0);
  metrics.watchGauge("featureLevelSupported", () => SUPPORTED_LEVELS.max);
  metrics.watchGauge("topics", () => broker.controller?.state.topics().length ?? 0);
  metrics.watchGauge("partitions", () => broker.controller?.state.partitionCount ?? 0);
  metrics.watchSeries(async () => {
    const report = await desk.report();
    underReplicated = report.partitions.filter(({ replicas }) => replicas.some(({ inSync }) => inSync !== true)).length;
    return seriesOf(report);
  });
  metrics.watchGauge("walFiles", () => storage.stats().walFiles);
  metrics.watchGauge("diskFreeBytes", () => storage.stats().diskFreeBytes);
  metrics.watchGauge("diskSlow", () => (broker.duties.disk.isSlowHere() ? 1 : 0));
  metrics.watchGauge("scrubProgress", () => broker.duties.scrub.status().progress);
  metrics.watchGauge("scrubLastRound", () => broker.duties.scrub.status().lastRoundEndMs / 1_000);
  metrics.watchCounter("scrubBytes", () => broker.duties.scrub.status().bytes);
  metrics.watchCounter("scrubRounds", () => broker.duties.scrub.status().rounds);
  metrics.watchCounter("scrubRebuilt", () => broker.duties.scrub.status().rebuilt);
  metrics.watchCounter("scrubDamaged", () => broker.duties.scrub.status().damaged);
  metrics.watchGauge("diskReserveBytes", () => settings.diskReserveBytes);
  metrics.watchCounter("walFlushes", () => storage.stats().flushes);
  metrics.watchCounter("walFdatasyncs", () => storage.stats().fdatasyncs);
  metrics.watchCounter("walBytes", () => storage.stats().walBytesWritten);
  metrics.watchCounter("segmentBytes", () => storage.stats().segmentBytesWritten);
  metrics.watchMemoryBound("tail_cache", config.limits.tailCacheBytesMax, () => storage.stats().tailBytes);
  metrics.watchMemoryBound("undrained", config.limits.undrainedBytesMax, () => storage.stats().undrainedBytes);
  metrics.watchMemoryBound("in_flight", config.limits.inFlightBytesMax, () => broker.inFlight.usedBytes);
  metrics.watchMemoryBound("forwarded", config.limits.inFlightBytesMax, () => traffic.forwardedBytes);
  metrics.watchMemoryBound(
    "in_flight_connection_largest",
    config.limits.inFlightBytesPerConnectionMax,
    () => traffic.connections.largest,
  );
  metrics.watchGauge("connectionRequestsLargest", () => traffic.requests.largest);
  metrics.watchMemoryBound("subscriptions", CREDIT_BYTES_MAX, () => traffic.subscriptionBytesLargest);
  metrics.watchMemoryBound(
    "subscriptions_connection_largest",
    traffic.reads.connectionBytesMax,
    () => traffic.reads.largestBytes,
  );
  metrics.watchMemoryBound("subscriptions_all", config.limits.responseBytesMax, () => traffic.reads.usedBytes);
  metrics.watchMemoryBound("uncommitted", config.limits.uncommittedBytesPerGroupMax, () => {
    let largest = 0;
    for (const { log } of partitions.all()) largest = Math.max(largest, log.uncommittedBytes());
    return largest;
  });
}
