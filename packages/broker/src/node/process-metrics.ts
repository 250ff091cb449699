/**
 * process-metrics.ts: what this process says of itself: memory, CPU, start time and the event loop's delay.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { BrokerMetrics } from "../ops/index.js";

/** How often the delay of the event loop is sampled. */
const RESOLUTION_MS = 10;
const NS_PER_SECOND = 1e9;
const MS_PER_SECOND = 1_000;
const US_PER_SECOND = 1e6;

/** Lets `metrics` read this process at each scrape, until `close`. */
export function watchProcess(metrics: BrokerMetrics): { close(): void } {
  const startTimeSeconds = (Date.now() - process.uptime() * MS_PER_SECOND) / MS_PER_SECOND;
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  // The histogram holds the whole time between two samples; what is over the resolution was delay.
  const seconds = (nanoseconds: number): number =>
    Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / NS_PER_SECOND - RESOLUTION_MS / MS_PER_SECOND) : 0;
  metrics.watchEventLoop(() => {
    const quantiles = {
      "0.5": seconds(delay.percentile(50)),
      "0.99": seconds(delay.percentile(99)),
      "1": seconds(delay.count === 0 ? 0 : delay.max),
    };
    delay.reset();
    return quantiles;
  });
  metrics.watchGauge("residentBytes", () => process.memoryUsage.rss());
  metrics.watchGauge("heapBytes", () => process.memoryUsage().heapUsed);
  metrics.watchGauge("externalBytes", () => process.memoryUsage().external);
  metrics.watchGauge("startTimeSeconds", () => startTimeSeconds);
  metrics.watchCounter("cpuSeconds", () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / US_PER_SECOND;
  });
  return { close: () => void delay.disable() };
}
