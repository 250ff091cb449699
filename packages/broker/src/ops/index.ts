/** index.ts: what operators see of a broker: metrics, readiness, and the answers of the operators' port. */
export { METRIC_ROWS, type MetricRow, SERIES_MAX } from "./metric-table.js";
export {
  type BrokerMetrics,
  type CountMetric,
  createMetrics,
  type ErrorMetric,
  type EventLoopQuantile,
  type LatencyMetric,
  type MemoryBound,
  type MetricsOptions,
  type Sample,
  type SeriesName,
  type SeriesSamples,
} from "./metrics.js";
export { type BrokerFacts, type Liveness, livenessOf, type Readiness, readinessOf } from "./readiness.js";
export { type OpsPage, type OpsResponse, type OpsSource, opsResponse } from "./routes.js";
