/**
 * run-broker.ts: a whole broker in this process: the composition root around broker.ts with real ports and listeners.
 *
 * The operators' port opens first, so that /readyz can say what is missing while the rest starts.
 */
import { hostname } from "node:os";
import {
  type BrokerId,
  type Clock,
  type Disk,
  isVarveError,
  type KeyValueOpener,
  type Link,
  type Logger,
  SECOND_MS,
  toVarveError,
  type WalThread,
} from "@varve/base";
import { nodeClock, nodeRandom } from "@varve/base/node";
import { createServer } from "@varve/rpc/node";
import type { RecoveryProgress } from "@varve/storage";
import { nodeDisk, nodeWalThread } from "@varve/storage/node";
import { brokerServices } from "../api/services.js";
import { Broker } from "../broker.js";
import { advertisedAddresses, type BrokerConfig, settingsFrom } from "../config/index.js";
import { watchBroker } from "../duties/watch-broker.js";
import { type BrokerFacts, createMetrics, livenessOf, NOT_STARTED, readinessOf, type Startup } from "../ops/index.js";
import { coordinatedGroups, type StatusDesk, startingText, statusDesk } from "../status-page/index.js";
import { VERSION } from "../version.js";
import { nativeCodec } from "./codec.js";
import { connectionLimits, warnOfFewFiles, watchConnections } from "./connections.js";
import { lmdbStores } from "./lmdb-store.js";
import { createLogger } from "./logger.js";
import { startOps } from "./ops-ports.js";
import { watchProcess } from "./process-metrics.js";
import { openSecurity } from "./security.js";

/** A broker that was started. */
export interface RunningBroker {
  readonly id: BrokerId;
  readonly grpcPort: number;
  readonly peerPort: number;
  readonly opsPort: number;
  /** Of metrics and the status page, where they have a port of their own. */
  readonly metricsPort: number | null;
  /** Resolves when it serves; rejects when it never can, or was stopped before. */
  readonly ready: Promise<void>;
  /** Resolves with the error after which it cannot go on: a failed fsync, a lost identity. The process should end. */
  readonly failed: Promise<Error>;
  readonly broker: Broker;
  /** Hands leaderships over, finishes work in flight, flushes, ends; at most `shutdownGraceMs` of the settings. */
  stop(): Promise<void>;
  /** Ends at once, as a killed process would. What was not synced is up to the disk. */
  kill(): Promise<void>;
}

/** Ports that replace the real ones: a disk in memory, links that can be cut. */
export interface PortOverrides {
  readonly logger?: Logger;
  readonly disk?: Disk;
  readonly walThread?: WalThread;
  /** Made from the real one, which is secured as the settings say. */
  readonly link?: (real: Link) => Link;
  readonly clock?: Clock;
  readonly keyValue?: KeyValueOpener;
  /** Watch this process's memory, CPU and event loop, the latter from a thread that answers probes; false where several brokers share one. Default true. */
  readonly watchProcess?: boolean;
}

/** Of the shutdown grace, what is kept for goodbyes to peers (1 s) and the last drain (1.5 s) after the listeners are closed, milliseconds. */
const FLUSH_RESERVE_MS = 3 * SECOND_MS;

/**
 * Starts a broker; resolves when its listeners are bound.
 * @throws VarveError DATA_DIR_UNUSABLE, ADDRESS_UNUSABLE: nothing is left running.
 */
export async function runBroker(config: BrokerConfig, overrides: PortOverrides = {}): Promise<RunningBroker> {
  const logger = overrides.logger ?? createLogger(config.logLevel, config.brokerId);
  const metrics = createMetrics({ version: VERSION, nodeVersion: process.version });
  const processWatch = overrides.watchProcess === false ? null : watchProcess(metrics);
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<Error>((resolve) => {
    fail = resolve;
  });
  let broker: Broker | null = null;
  let desk: StatusDesk | null = null;
  let startup: Startup = NOT_STARTED;
  const facts = (): BrokerFacts => broker?.facts() ?? startingFacts(config.brokerId, startup);
  const onRecovery = (progress: RecoveryProgress): void => {
    startup = { ...startup, ...progress };
  };
  metrics.watchGauge("recoveryLogs", () => startup.logs);
  metrics.watchGauge("recoveredLogs", () => startup.logsRecovered);
  metrics.watchGauge("recoveryBytes", () => startup.bytesRead);
  const { close: endReports } = reportRecovery(logger, () => startup);
  const undo: (() => Promise<void>)[] = [async () => processWatch?.close(), async () => endReports()];
  try {
    const security = await openSecurity(config, metrics, logger);
    undo.push(async () => security.close());
    const source = {
      liveness: () => livenessOf(facts()),
      startup: () => startup,
      readiness: () => readinessOf(facts()),
      stopGate: () => broker?.presence.mayStop() ?? Promise.resolve(NOTHING_TO_LOSE),
      status: () => desk?.clusterText() ?? startingText(facts(), config.rack, nodeClock.wallMs()),
      metrics: async () => ({ contentType: metrics.contentType, text: await metrics.text() }),
    };
    const ops = await startOps(config, source, overrides.watchProcess === false ? null : { ...config.ops, logger });
    undo.push(() => ops.close());
    const started = await Broker.start(settingsFrom(config, hostname(), security.certifiedClusterId), {
      clock: overrides.clock ?? nodeClock,
      random: nodeRandom,
      logger,
      disk: overrides.disk ?? nodeDisk,
      walThread: overrides.walThread ?? nodeWalThread(),
      codec: nativeCodec,
      keyValue: overrides.keyValue ?? lmdbStores({ logger }),
      link: overrides.link?.(security.link) ?? security.link,
      meter: {
        produced: (bytes, records) => {
          metrics.produceBytes.add(bytes);
          metrics.produceRecords.add(records);
          metrics.produceBatches.add(1);
        },
        fetched: (bytes, records, batches) => {
          metrics.fetchBytes.add(bytes);
          metrics.fetchRecords.add(records);
          metrics.fetchBatches.add(batches);
        },
        committed: (latencyMs) => metrics.commitLatency.observeMs(latencyMs),
        leaderChanged: () => metrics.leaderChanges.add(1),
      },
      onRecovery,
      onFlush: (durationMs) => metrics.fsyncLatency.observeMs(durationMs),
      onFatal: (error) => {
        logger.error({ err: error }, `this broker cannot go on and ends: ${error.message}`);
        broker?.noteFatal(error);
        fail(error);
      },
    });
    broker = started;
    startup = { ...startup, phase: "opening" };
    endReports();
    undo.push(() => started.stop());
    const server = createServer({
      requestBytesMax: config.limits.produceRequestBytesMax,
      requestDeadlineMs: config.limits.requestDeadlineMs,
      connections: connectionLimits(config),
      tls: security.clients,
      onInternalError: (error, method) => logger.error({ err: error, method }, "a call failed inside the broker"),
    });
    const services = brokerServices(started, {
      config,
      random: nodeRandom,
      failed: (kind, code) => (kind === "produce" ? metrics.produceErrors : metrics.fetchErrors).add(code),
    });
    desk = statusDesk(started, coordinatedGroups(started, services.groups));
    watchBroker(metrics, started, services.traffic, config, desk);
    watchConnections(metrics, server, config);
    server.addLogService(services.log);
    server.addGroupService(services.group);
    server.addAdminService(services.admin);
    server.addScalerService(services.scaler);
    const grpc = await server.start(config.listen.address, config.listen.grpcPort);
    undo.push(() => server.close(0));
    startup = { ...startup, started: true, phase: "started" };
    warnOfFewFiles(config, logger);
    const ports = { grpcPort: grpc.port, peerPort: started.peerPort, opsPort: ops.port };
    const never = failed.then((error) => Promise.reject(error));
    const ready = Promise.race([started.becomeReady(advertisedAddresses(config, ports)), never]).then(() => {
      server.setServing(true);
      logger.info(ports, "broker is ready");
    });
    ready.catch((error: unknown) => {
      if (!(isVarveError(error) && error.code === "SHUTTING_DOWN")) fail(toVarveError(error));
    });
    let stopping: Promise<void> | null = null;
    const stop = async (): Promise<void> => {
      const untilMs = nodeClock.monotonicMs() + Math.max(0, config.shutdownGraceMs - FLUSH_RESERVE_MS);
      const leftMs = (): number => Math.max(0, untilMs - nodeClock.monotonicMs());
      server.setServing(false);
      await started.leave(leftMs() / 2);
      await server.close(leftMs());
      await started.stop();
      await ops.close();
      security.close();
      processWatch?.close();
    };
    return {
      id: config.brokerId,
      ...ports,
      metricsPort: ops.metricsPort,
      ready,
      failed,
      broker: started,
      stop: () => {
        stopping ??= stop();
        return stopping;
      },
      kill: async () => {
        server.destroy();
        await started.kill();
        await ops.close();
        security.close();
        processWatch?.close();
      },
    };
  } catch (error) {
    for (const step of undo.reverse()) await step().catch(() => {});
    throw error;
  }
}

/** Of a broker that has no replicas yet. */
const NOTHING_TO_LOSE = { safe: true, waitedMs: 0, waitsFor: [] } as const;

/** Time between two lines about a recovery that takes long. */
const REPORT_MS = 5 * SECOND_MS;

/** Says in the log how far the recovery is, until `close`. */
function reportRecovery(logger: Logger, startup: () => Startup): { close(): void } {
  const timer = setInterval(() => {
    const { logs, logsRecovered, bytesRead } = startup();
    logger.info({ logs, logsRecovered, bytesRead }, "recovering from the data folder");
  }, REPORT_MS);
  timer.unref();
  return { close: () => clearInterval(timer) };
}

function startingFacts(brokerId: BrokerId, recovering: Startup): BrokerFacts {
  return {
    brokerId,
    clusterId: null,
    membershipWaitsFor: null,
    recovering,
    registered: false,
    caughtUp: false,
    replicasBehind: null,
    controller: null,
    replicaCount: 0,
    replicasMissing: 0,
    replicasLeaderless: 0,
    replicasQuarantined: [],
    pressure: null,
    decommissioned: false,
    shuttingDown: false,
    fatal: null,
  };
}
