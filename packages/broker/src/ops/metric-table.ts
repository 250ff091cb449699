/**
 * metric-table.ts: every metric of a broker, one row each. The registry and the table in OPERATIONS.md come from it.
 *
 * Names follow Prometheus' conventions: base units (seconds, bytes) in the name, counters end in _total. The number of time series is
 * bounded: labels take values that no client can choose, but for the series of partitions and of groups, which have a limit.
 */

/** Upper bounds of the latency buckets, seconds: from an fsync on fast flash to the request deadline. */
export const LATENCY_BUCKETS_SECONDS: readonly number[] = [
  0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];

export interface MetricRow {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** What it measures, and what an operator should do about a bad value. */
  readonly help: string;
  readonly labels?: readonly string[];
}

/** Keeps the names of rows in the type and their texts out of it: declarations would repeat them. */
function rows<Name extends string>(table: Readonly<Record<Name, MetricRow>>): Readonly<Record<Name, MetricRow>> {
  return table;
}

/** Counted as things happen. */
export const COUNTERS = rows({
  produceBytes: {
    name: "varve_produce_bytes_total",
    type: "counter",
    help: "Bytes of record batches that producers sent and this broker appended as leader.",
  },
  produceRecords: {
    name: "varve_produce_records_total",
    type: "counter",
    help: "Records that this broker appended as leader.",
  },
  produceBatches: {
    name: "varve_produce_batches_total",
    type: "counter",
    help: "Record batches that this broker appended as leader.",
  },
  fetchBytes: {
    name: "varve_fetch_bytes_total",
    type: "counter",
    help: "Bytes of record batches that this broker sent to readers.",
  },
  fetchRecords: {
    name: "varve_fetch_records_total",
    type: "counter",
    help: "Records that this broker sent to readers.",
  },
  fetchBatches: {
    name: "varve_fetch_batches_total",
    type: "counter",
    help: "Record batches that this broker sent to readers.",
  },
  leaderChanges: {
    name: "varve_leader_changes_total",
    type: "counter",
    help: "Times that this broker became or ceased to be the leader of a partition. A steady rate without restarts: look at the network, the event-loop delay and the fsync latency.",
  },
});

/** Counted by error code of the catalogue. */
export const ERROR_COUNTERS = rows({
  produceErrors: {
    name: "varve_produce_errors_total",
    type: "counter",
    labels: ["code"],
    help: "Produce requests that this broker refused or could not finish, by error code.",
  },
  fetchErrors: {
    name: "varve_fetch_errors_total",
    type: "counter",
    labels: ["code"],
    help: "Read and subscribe requests that this broker refused or could not finish, by error code.",
  },
});

/** Latencies. */
export const HISTOGRAMS = rows({
  commitLatency: {
    name: "varve_commit_latency_seconds",
    type: "histogram",
    help: "From the append of a batch on its leader to its commit by a majority.",
  },
  fsyncLatency: {
    name: "varve_wal_fsync_latency_seconds",
    type: "histogram",
    help: "Write and fdatasync of one write-ahead log flush. A p99 above 50 ms: the disk is too slow or shared.",
  },
});

/** Counts that another part keeps; read at each scrape. */
export const WATCHED_COUNTERS = rows({
  walFlushes: {
    name: "varve_wal_flushes_total",
    type: "counter",
    help: "Flushes of the write-ahead log; each covers all that had arrived while the one before ran.",
  },
  walFdatasyncs: {
    name: "varve_wal_fdatasyncs_total",
    type: "counter",
    help: "Calls of fdatasync for the write-ahead log.",
  },
  walBytes: {
    name: "varve_wal_written_bytes_total",
    type: "counter",
    help: "Bytes written to the write-ahead log, padding included.",
  },
  scrubBytes: {
    name: "varve_scrub_read_bytes_total",
    type: "counter",
    help: "Bytes that the background scrub has read and checked.",
  },
  scrubRounds: {
    name: "varve_scrub_rounds_total",
    type: "counter",
    help: "Rounds of the scrub that have read everything stored here.",
  },
  scrubRebuilt: {
    name: "varve_scrub_rebuilt_files_total",
    type: "counter",
    help: "Indexes, checkpoints and files of the write-ahead log that the scrub found damaged and made anew. Above 0: look at the disk.",
  },
  scrubDamaged: {
    name: "varve_scrub_damaged_replicas_total",
    type: "counter",
    help: "Replicas in which the scrub found damage; they are quarantined and made anew from their peers. Above 0: look at the disk.",
  },
  tlsReloads: {
    name: "varve_tls_reloads_total",
    type: "counter",
    help: "Times that changed TLS files were taken over without a restart.",
  },
  tlsReloadFailures: {
    name: "varve_tls_reload_failures_total",
    type: "counter",
    help: "Looks at TLS files, every 2 s, that found files which cannot be used; the earlier ones stay in use. Rising: the log says what is wrong with them.",
  },
  tlsRefused: {
    name: "varve_tls_refused_total",
    type: "counter",
    help: "TLS connections that were refused, of clients and of brokers: strangers, expired certificates, other clusters, plain text. The log names them.",
  },
  segmentBytes: { name: "varve_segment_written_bytes_total", type: "counter", help: "Bytes written to segments." },
  connectionsRefused: {
    name: "varve_connections_refused_total",
    type: "counter",
    help: "Connections of clients that were closed at once, since limits.connectionsMax or connectionsPerAddressMax was reached. Rising: raise the limit, or find who opens so many.",
  },
  connectionsCutOff: {
    name: "varve_connections_cut_off_total",
    type: "counter",
    help: "Connections and calls that were cut off for what they did: floods of pings or settings, messages that never end or take too much memory. Above 0: a client is broken or hostile.",
  },
  cpuSeconds: { name: "process_cpu_seconds_total", type: "counter", help: "User and system CPU time of the process." },
});

/** Values of now; read at each scrape. */
export const GAUGES = rows({
  replicas: { name: "varve_replicas", type: "gauge", help: "Partition replicas on this broker." },
  connections: { name: "varve_connections", type: "gauge", help: "Open connections of clients." },
  partitionsLed: { name: "varve_partitions_led", type: "gauge", help: "Partitions that this broker leads." },
  partitionsUnderReplicated: {
    name: "varve_partitions_under_replicated",
    type: "gauge",
    help: "Partitions led here with a replica that is down or behind. Above 0 for minutes: find the broker that is down or slow; do not restart another.",
  },
  partitionsLeaderless: {
    name: "varve_partitions_leaderless",
    type: "gauge",
    help: "Partitions with a replica here for which no leader is known. Above 0: a majority of their replicas is down or cut off; they take no records.",
  },
  replicasQuarantined: {
    name: "varve_replicas_quarantined",
    type: "gauge",
    help: "Replicas here that found damage in their files and stopped serving. Above 0: see varve log inspect.",
  },
  replicasBehind: {
    name: "varve_replicas_behind_since_start",
    type: "gauge",
    help: "Replicas here that have not caught up since this broker's start; it is ready when there are none. Falls to 0 and stays there.",
  },
  stopGatePartitions: {
    name: "varve_stop_gate_waiting_partitions",
    type: "gauge",
    help: "Partitions, the controller among them, that would lose their quorum if this broker stopped now, or of which that cannot be told, and that a stop waits for; 0 while none is asked for. Above 0 for long: look at the brokers that hold their other replicas.",
  },
  stopGateWait: {
    name: "varve_stop_gate_wait_seconds",
    type: "gauge",
    help: "For how long a stop has been waiting at the stop gate; 0 while none is.",
  },
  recoveredLogs: {
    name: "varve_recovery_logs_recovered",
    type: "gauge",
    help: "Logs of the data folder that have been opened since this process began. As many as varve_recovery_logs when the recovery is over.",
  },
  recoveryLogs: {
    name: "varve_recovery_logs",
    type: "gauge",
    help: "Logs that the data folder holds; 0 until they have been counted.",
  },
  recoveryBytes: {
    name: "varve_recovery_read_bytes",
    type: "gauge",
    help: "Bytes of the write-ahead log and of segments that this start has read.",
  },
  controllerLeader: {
    name: "varve_controller_leader",
    type: "gauge",
    help: "1 on the broker that leads the controller, else 0. The sum over all brokers is 1.",
  },
  metadataVersion: {
    name: "varve_metadata_version",
    type: "gauge",
    help: "Index of the last controller command that changed something, as applied here.",
  },
  brokersRegistered: {
    name: "varve_brokers_registered",
    type: "gauge",
    help: "Brokers of the cluster, as known here; ready or not.",
  },
  featureLevel: {
    name: "varve_feature_level",
    type: "gauge",
    help: "Finalised feature level of the cluster, as known here; 0 until it is. Below varve_feature_level_supported on all brokers: an upgrade waits for varve cluster finalize.",
  },
  featureLevelSupported: {
    name: "varve_feature_level_supported",
    type: "gauge",
    help: "Newest feature level that this broker's software supports.",
  },
  topics: { name: "varve_topics", type: "gauge", help: "Topics of the cluster, as known here, internal ones too." },
  partitions: {
    name: "varve_partitions",
    type: "gauge",
    help: "Partitions of the cluster, as known here, internal ones too.",
  },
  walFiles: {
    name: "varve_wal_files",
    type: "gauge",
    help: "Files of the write-ahead log. Growing: segments are drained too slowly.",
  },
  diskFreeBytes: {
    name: "varve_disk_free_bytes",
    type: "gauge",
    help: "Free bytes of the file system with the data folder.",
  },
  diskReserveBytes: {
    name: "varve_disk_reserve_bytes",
    type: "gauge",
    help: "Free bytes below which produce is refused with DISK_FULL.",
  },
  connectionRequestsLargest: {
    name: "varve_in_flight_requests_connection_largest",
    type: "gauge",
    help: "Produce requests that wait for their acknowledgement, or for their client to take it, of the connection with the most. At limits.inFlightRequestsPerConnectionMax: a client sends and does not read.",
  },
  diskSlow: {
    name: "varve_disk_slow",
    type: "gauge",
    help: "1 while this broker hands its leaderships to others because its disk is slow, else 0. 1 for minutes: look at the disk.",
  },
  scrubProgress: {
    name: "varve_scrub_progress_ratio",
    type: "gauge",
    help: "How much of what is stored here the running round of the scrub has read, 0 to 1; 1 between two rounds.",
  },
  scrubLastRound: {
    name: "varve_scrub_last_round_timestamp_seconds",
    type: "gauge",
    help: "When the scrub's last whole round ended, seconds since 1970; 0: none has. Older than storage.scrubIntervalMs and a day: raise storage.scrubBytesPerSecond.",
  },
  residentBytes: {
    name: "process_resident_memory_bytes",
    type: "gauge",
    help: "Memory of the process that is in RAM (RSS).",
  },
  heapBytes: { name: "varve_heap_used_bytes", type: "gauge", help: "Used bytes of the JavaScript heap." },
  externalBytes: {
    name: "varve_external_memory_bytes",
    type: "gauge",
    help: "Bytes of buffers outside the JavaScript heap.",
  },
  startTimeSeconds: {
    name: "process_start_time_seconds",
    type: "gauge",
    help: "Start of the process, seconds since 1970.",
  },
});

/** Gauges with labels; their values come through methods of their own. */
export const LABELLED_GAUGES = rows({
  memoryUsed: {
    name: "varve_memory_bound_used_bytes",
    type: "gauge",
    labels: ["bound"],
    help: "Bytes in use under each bound of memory.",
  },
  memoryLimit: {
    name: "varve_memory_bound_limit_bytes",
    type: "gauge",
    labels: ["bound"],
    help: "Most bytes that may be in use under each bound of memory; beyond it requests are refused with BROKER_OVERLOADED, or caches evict.",
  },
  eventLoopDelay: {
    name: "varve_event_loop_delay_seconds",
    type: "gauge",
    labels: ["quantile"],
    help: "Lateness of the event loop since the last scrape (quantile 0.5, 0.99 and 1 = the longest). A longest above half of the election timeout costs leaderships.",
  },
  certificateExpiry: {
    name: "varve_tls_certificate_expiry_timestamp_seconds",
    type: "gauge",
    labels: ["listener", "certificate"],
    help: "When the first certificate of a TLS file ends to be valid, Unix time: of the own certificate (own) and of the authorities that are trusted (authority), by listener (clients, peers). Alert weeks ahead; a renewed file is taken over within seconds.",
  },
  buildInfo: {
    name: "varve_build_info",
    type: "gauge",
    labels: ["version", "node_version"],
    help: "1, with the versions of this broker and of Node.js.",
  },
});

/** Series of one kind (partitions, groups) that one broker shows; of what some are left out is counted by `varve_series_omitted`. */
export const SERIES_MAX = 10_000;

/**
 * What the status page shows, one series for each partition and each group. A broker shows what it leads or coordinates and nothing
 * else, so that over all brokers each figure is there once. Topics and groups have safe names; no other text of a client is a label.
 */
export const SERIES = rows({
  brokerReady: {
    name: "varve_broker_ready",
    type: "gauge",
    labels: ["broker", "rack"],
    help: "1 when this broker is ready, else 0; /readyz says why not. Labelled with its id and rack.",
  },
  partitionLeaderEpoch: {
    name: "varve_partition_leader_epoch",
    type: "gauge",
    labels: ["topic", "partition"],
    help: "Epoch of a partition's leader, shown by the broker that leads it and by no other. Absent everywhere: nobody leads it.",
  },
  partitionLogStart: {
    name: "varve_partition_log_start_offset",
    type: "gauge",
    labels: ["topic", "partition"],
    help: "Offset of the first record that is still there.",
  },
  partitionHighWatermark: {
    name: "varve_partition_high_watermark_offset",
    type: "gauge",
    labels: ["topic", "partition"],
    help: "Offset after the last committed record. Its rate is the records per second.",
  },
  partitionSize: {
    name: "varve_partition_size_bytes",
    type: "gauge",
    labels: ["topic", "partition"],
    help: "Bytes of the partition's segments on its leader.",
  },
  replicaLag: {
    name: "varve_partition_replica_lag_entries",
    type: "gauge",
    labels: ["topic", "partition", "broker"],
    help: "Committed log entries, batches for the most part, that a follower has not confirmed to have. Growing: that broker is down or slow.",
  },
  groupMembers: {
    name: "varve_group_members",
    type: "gauge",
    labels: ["group"],
    help: "Members of a consumer group, shown by its coordinator.",
  },
  groupLagRecords: {
    name: "varve_group_lag_records",
    type: "gauge",
    labels: ["group"],
    help: "Records that a group has not committed yet, over its partitions whose leaders answer. Growing for long: add members, or look at what they wait for.",
  },
  groupLagSeconds: {
    name: "varve_group_lag_seconds",
    type: "gauge",
    labels: ["group"],
    help: "Age of the oldest record that a group has not committed yet, by its append time; 0 when there is none.",
  },
  groupPartitionCommitted: {
    name: "varve_group_partition_committed_offset",
    type: "gauge",
    labels: ["group", "topic", "partition"],
    help: "Offset that a group has committed; absent before the first commit.",
  },
  groupPartitionLagRecords: {
    name: "varve_group_partition_lag_records",
    type: "gauge",
    labels: ["group", "topic", "partition"],
    help: "Records of a partition that a group has not committed yet.",
  },
  groupPartitionLagSeconds: {
    name: "varve_group_partition_lag_seconds",
    type: "gauge",
    labels: ["group", "topic", "partition"],
    help: "Age of the next record of a partition for a group, by its append time; 0 when there is none.",
  },
  seriesOmitted: {
    name: "varve_series_omitted",
    type: "gauge",
    labels: ["of"],
    help: "Partitions and groups (of) of which this broker leaves series out, since it shows at most 10,000 of partitions and 10,000 of groups: the last by name. Above 0: the status page has the rest.",
  },
});

/** All rows. */
export const METRIC_ROWS: readonly MetricRow[] = [
  COUNTERS,
  ERROR_COUNTERS,
  HISTOGRAMS,
  WATCHED_COUNTERS,
  GAUGES,
  LABELLED_GAUGES,
  SERIES,
].flatMap((table) => Object.values<MetricRow>(table));
