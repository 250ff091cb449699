/**
 * connections.ts: the settings of clients' connections, what they take, and whether this process may open as many files as they need.
 */
import { readFileSync } from "node:fs";
import type { Logger } from "@varve/base";
import type { ConnectionLimits, GrpcRpcServer } from "@varve/rpc/node";
import type { BrokerConfig } from "../config/index.js";
import type { BrokerMetrics } from "../ops/index.js";

/** Files that a broker opens beside its clients' connections: segments, the write-ahead log, peers. */
const OTHER_FILES = 2_000;

export function connectionLimits({ limits }: Pick<BrokerConfig, "limits">): ConnectionLimits {
  return {
    connectionsMax: limits.connectionsMax,
    connectionsPerAddressMax: limits.connectionsPerAddressMax,
    streamsPerConnectionMax: limits.streamsPerConnectionMax,
    idleMs: limits.idleConnectionMs,
    messageMs: limits.messageMs,
    unfinishedBytesMax: limits.unfinishedRequestBytesMax,
    responseBytesMax: limits.responseBytesMax,
  };
}

export function watchConnections(
  metrics: BrokerMetrics,
  server: GrpcRpcServer,
  { limits }: Pick<BrokerConfig, "limits">,
): void {
  metrics.watchGauge("connections", () => server.connectionStats().connections);
  metrics.watchCounter("connectionsRefused", () => server.connectionStats().refused);
  metrics.watchCounter("connectionsCutOff", () => server.connectionStats().cutOff);
  metrics.watchMemoryBound(
    "unfinished_requests",
    limits.unfinishedRequestBytesMax,
    () => server.connectionStats().unfinishedBytes,
  );
  metrics.watchMemoryBound("responses", limits.responseBytesMax, () => server.connectionStats().responseBytes);
}

/** A broker that cannot open a file of its log ends; too many connections must not bring it there. */
export function warnOfFewFiles({ limits }: Pick<BrokerConfig, "limits">, logger: Logger): void {
  const filesMax = openFilesMax();
  if (filesMax === null || filesMax >= limits.connectionsMax + OTHER_FILES) return;
  logger.warn(
    { openFilesMax: filesMax, connectionsMax: limits.connectionsMax },
    "this process may open too few files for limits.connectionsMax: raise the limit of open files (ulimit -n), or lower the setting",
  );
}

/** Null: unlimited, or an operating system that does not say. */
function openFilesMax(): number | null {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
    return soft === undefined ? null : Number(soft);
  } catch {
    return null;
  }
}
