/** index.ts: what operators see of a broker: metrics, readiness, and the answers of the operators' port. */
export { METRIC_ROWS, type MetricRow, SERIES_MAX } from "./metric-table.js";
export {
  type BrokerMetrics,
  type CertificateExpiries,
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
  type TlsListener,
} from "./metrics.js";
export { type BrokerFacts, type Liveness, livenessOf, type Readiness, readinessOf } from "./readiness.js";
export {
  answerMsMax,
  type OpsPage,
  type OpsResponse,
  type OpsScope,
  type OpsSource,
  opsResponse,
  type ProbeSource,
  probeResponse,
  type StopAnswer,
  silentResponse,
} from "./routes.js";
export { StallWatch } from "./stall-watch.js";
export { NOT_STARTED, type Startup } from "./startup.js";
