/**
 * metrics.ts: a broker's metrics: counters and histograms that the parts of a broker feed, and values that are read at each scrape.
 *
 * Each broker has a registry of its own, so that several may live in one process. Feeding a counter costs an addition.
 */
import { type ErrorCode, SECOND_MS } from "@varve/base";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import {
  COUNTERS,
  ERROR_COUNTERS,
  GAUGES,
  HISTOGRAMS,
  LABELLED_GAUGES,
  LATENCY_BUCKETS_SECONDS,
  type MetricRow,
  SERIES,
  WATCHED_COUNTERS,
} from "./metric-table.js";

/** Counts things or bytes. */
export interface CountMetric {
  /** @param amount >= 0. */
  add(amount: number): void;
}

/** Distribution of a duration; shown in seconds. */
export interface LatencyMetric {
  observeMs(durationMs: number): void;
}

/** Counts failures by error code. */
export interface ErrorMetric {
  add(code: ErrorCode): void;
}

/** The bounds of memory (contracts: "each a setting with a gauge"). */
export type MemoryBound =
  | "tail_cache"
  | "undrained"
  | "uncommitted"
  | "in_flight"
  | "in_flight_connection_largest"
  | "forwarded"
  | "subscriptions"
  | "subscriptions_connection_largest"
  | "subscriptions_all"
  | "unfinished_requests"
  | "responses";

export type EventLoopQuantile = "0.5" | "0.99" | "1";

/** Listeners that have certificates. */
export type TlsListener = "clients" | "peers";

/** Wall clock, milliseconds. */
export interface CertificateExpiries {
  readonly certificateExpiryMs: number | null;
  readonly authorityExpiryMs: number | null;
}

export type SeriesName = keyof typeof SERIES;

/** One time series and its value of now. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** All samples of every series that there is now; what is missing is not shown. */
export type SeriesSamples = Readonly<Partial<Record<SeriesName, readonly Sample[]>>>;

export interface BrokerMetrics
  extends Readonly<Record<keyof typeof COUNTERS, CountMetric>>,
    Readonly<Record<keyof typeof ERROR_COUNTERS, ErrorMetric>>,
    Readonly<Record<keyof typeof HISTOGRAMS, LatencyMetric>> {
  /** Says how to read a gauge; `read` is called at each scrape and must be cheap. A later call replaces the earlier. */
  watchGauge(name: keyof typeof GAUGES, read: () => number): void;
  /** The same for a count that never falls while the process lives. */
  watchCounter(name: keyof typeof WATCHED_COUNTERS, read: () => number): void;
  /** Shows a bound of memory and how much of it is used. */
  watchMemoryBound(bound: MemoryBound, limitBytes: number, readUsedBytes: () => number): void;
  /** Shows when certificates expire; those that are null are not shown. */
  watchCertificates(listener: TlsListener, read: () => CertificateExpiries): void;
  /** Says how to read the event loop's delay, seconds, since the last scrape. */
  watchEventLoop(read: () => Readonly<Record<EventLoopQuantile, number>>): void;
  /** Says how to read the series of partitions and groups, at each scrape. Where it fails, they are absent and the rest is shown. */
  watchSeries(read: () => Promise<SeriesSamples>): void;
  /** Media type of `text()`. */
  readonly contentType: string;
  /** All metrics in Prometheus' text format. */
  text(): Promise<string>;
}

export interface MetricsOptions {
  /** Version of this broker's software. */
  readonly version: string;
  readonly nodeVersion: string;
}

/** A fresh registry with every metric of the table; counts start at zero, gauges appear once they are watched. */
export function createMetrics({ version, nodeVersion }: MetricsOptions): BrokerMetrics {
  const registry = new Registry();
  const watchedGauges = mapRows(GAUGES, (row) => watchedGauge(registry, row));
  const watchedCounters = mapRows(WATCHED_COUNTERS, (row) => watchedCounter(registry, row));
  const series = watchedSeries(registry);
  new Gauge(configuration(registry, LABELLED_GAUGES.buildInfo)).set({ version, node_version: nodeVersion }, 1);
  return {
    ...mapRows(COUNTERS, (row) => countMetric(registry, row)),
    ...mapRows(ERROR_COUNTERS, (row) => errorMetric(registry, row)),
    ...mapRows(HISTOGRAMS, (row) => latencyMetric(registry, row)),
    watchGauge: (name, read) => watchedGauges[name](read),
    watchCounter: (name, read) => watchedCounters[name](read),
    watchMemoryBound: memoryBounds(registry),
    watchCertificates: certificates(registry),
    watchEventLoop: eventLoop(registry),
    watchSeries: series.watch,
    contentType: registry.contentType,
    text: async () => {
      await series.update();
      return registry.metrics();
    },
  };
}

type Watch<Value> = (read: () => Value) => void;

function configuration(registry: Registry, row: MetricRow) {
  return { name: row.name, help: row.help, labelNames: [...(row.labels ?? [])], registers: [registry] };
}

function mapRows<Key extends string, Metric>(
  rows: Readonly<Record<Key, MetricRow>>,
  make: (row: MetricRow) => Metric,
): Record<Key, Metric> {
  const entries = Object.entries<MetricRow>(rows).map(([key, row]) => [key, make(row)]);
  return Object.fromEntries(entries) as Record<Key, Metric>;
}

function countMetric(registry: Registry, row: MetricRow): CountMetric {
  const counter = new Counter(configuration(registry, row));
  return { add: (amount) => counter.inc(amount) };
}

function errorMetric(registry: Registry, row: MetricRow): ErrorMetric {
  const counter = new Counter(configuration(registry, row));
  return { add: (code) => counter.inc({ code }) };
}

function latencyMetric(registry: Registry, row: MetricRow): LatencyMetric {
  const histogram = new Histogram({ ...configuration(registry, row), buckets: [...LATENCY_BUCKETS_SECONDS] });
  return { observeMs: (durationMs) => histogram.observe(durationMs / SECOND_MS) };
}

/** A gauge without a reader has no value at all: a zero that nobody measured would look like health. */
function watchedGauge(registry: Registry, row: MetricRow): Watch<number> {
  let read: (() => number) | null = null;
  new Gauge({
    ...configuration(registry, row),
    collect() {
      if (read === null) this.remove();
      else this.set(read());
    },
  });
  return (reader) => {
    read = reader;
  };
}

function watchedCounter(registry: Registry, row: MetricRow): Watch<number> {
  let read: (() => number) | null = null;
  new Counter({
    ...configuration(registry, row),
    collect() {
      this.reset();
      if (read !== null) this.inc(read());
    },
  });
  return (reader) => {
    read = reader;
  };
}

function memoryBounds(registry: Registry): BrokerMetrics["watchMemoryBound"] {
  const readers = new Map<MemoryBound, () => number>();
  const limits = new Gauge(configuration(registry, LABELLED_GAUGES.memoryLimit));
  new Gauge({
    ...configuration(registry, LABELLED_GAUGES.memoryUsed),
    collect() {
      for (const [bound, read] of readers) this.set({ bound }, read());
    },
  });
  return (bound, limitBytes, readUsedBytes) => {
    limits.set({ bound }, limitBytes);
    readers.set(bound, readUsedBytes);
  };
}

function certificates(registry: Registry): BrokerMetrics["watchCertificates"] {
  const readers = new Map<TlsListener, () => CertificateExpiries>();
  new Gauge({
    ...configuration(registry, LABELLED_GAUGES.certificateExpiry),
    collect() {
      for (const [listener, read] of readers) {
        const { certificateExpiryMs, authorityExpiryMs } = read();
        if (certificateExpiryMs !== null) this.set({ listener, certificate: "own" }, certificateExpiryMs / SECOND_MS);
        if (authorityExpiryMs !== null) this.set({ listener, certificate: "authority" }, authorityExpiryMs / SECOND_MS);
      }
    },
  });
  return (listener, read) => {
    readers.set(listener, read);
  };
}

/** They are read together, before a scrape's text is made, so that they are of one moment. */
function watchedSeries(registry: Registry): { watch: BrokerMetrics["watchSeries"]; update: () => Promise<void> } {
  const gauges = mapRows(SERIES, (row) => new Gauge(configuration(registry, row)));
  let read: () => Promise<SeriesSamples> = () => Promise.resolve({});
  return {
    watch: (reader) => {
      read = reader;
    },
    update: async () => {
      const samples = await read().catch((): SeriesSamples => ({}));
      for (const name of Object.keys(gauges) as SeriesName[]) {
        gauges[name].reset();
        for (const { labels, value } of samples[name] ?? []) gauges[name].set(labels, value);
      }
    },
  };
}

function eventLoop(registry: Registry): BrokerMetrics["watchEventLoop"] {
  let read: (() => Readonly<Record<EventLoopQuantile, number>>) | null = null;
  new Gauge({
    ...configuration(registry, LABELLED_GAUGES.eventLoopDelay),
    collect() {
      if (read === null) return;
      for (const [quantile, seconds] of Object.entries(read())) this.set({ quantile }, seconds);
    },
  });
  return (reader) => {
    read = reader;
  };
}
