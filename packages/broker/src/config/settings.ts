/**
 * settings.ts: every setting of a broker, one row each: default, limits, unit, effect. The parser, the reference and the type
 * `BrokerConfig` come from this table. The variable of a setting is VARVE_ and its path: raft.heartbeatMs = VARVE_RAFT_HEARTBEAT_MS.
 *
 * A limit that bounds memory has a gauge beside its use: ops/metrics.ts, varve_memory_bound_bytes.
 */
import { DAY_MS, GIB, INT31_MAX, KIB, LIMITS, MIB, SECOND_MS } from "@varve/base";
import { TOPIC_CONFIG, TOPIC_DEFAULTS } from "@varve/cluster";
import { hostPortProblem, listenHostProblem } from "./address.js";
import { boolean, type ConfigOf, choice, integer, list, text } from "./setting.js";

const PORT = { min: 0, max: 65_535, unit: "" } as const;
const FILE = { default: null, lengthMax: 4_096 } as const;
const ADDRESS = { default: null, lengthMax: 300, template: true, problem: hostPortProblem } as const;

export const SETTINGS = {
  brokerId: integer({
    default: undefined,
    min: 1,
    max: INT31_MAX,
    unit: "",
    template: true,
    effect:
      "Identity of this broker. Each broker has its own, bound for ever to its data directory. May be a template, as in {ordinal+1}.",
  }),
  dataDir: text({
    default: "varve-data",
    lengthMax: 4_096,
    effect:
      "Folder of this broker's data; created when absent, locked while the broker runs. A relative path starts at the working directory.",
  }),
  rack: text({
    default: null,
    lengthMax: 255,
    template: true,
    effect:
      "Failure domain above the machine (rack, zone). Replicas of a partition are spread over racks first. May be a template. Unset: all such brokers count as one rack.",
  }),
  rackFile: text({
    default: null,
    lengthMax: 4_096,
    effect:
      "File that holds the rack, read at the start while rack is unset: a label of the node through a downward API volume, or what an init container wrote. An empty file: no rack.",
  }),
  host: text({
    default: null,
    lengthMax: 255,
    template: true,
    effect:
      "Name of the machine: brokers with the same one are taken to die together, so replicas avoid sharing it. May be a template. Unset: the operating system's host name.",
  }),
  logLevel: choice({
    default: "info",
    choices: ["debug", "info", "warn", "error"],
    effect: "Least severity of the lines that are logged, one JSON object a line.",
  }),
  shutdownGraceMs: integer({
    default: 10 * SECOND_MS,
    min: 0,
    max: 600 * SECOND_MS,
    unit: "ms",
    effect:
      "After SIGTERM the process ends within this time: leaderships move away, work in flight finishes, data is flushed. Smaller: more clients see a retry.",
  }),
  cluster: {
    seeds: list({
      default: undefined,
      lengthMin: 1,
      lengthMax: 100,
      problem: hostPortProblem,
      effect:
        "Peer addresses (host:peerPort) of the brokers that found the cluster, the same list in the same order on each of them; others join through it. A broker that belongs to a cluster only dials them.",
    }),
    expectedClusterId: text({
      default: null,
      lengthMax: 64,
      effect: "When set, this broker never founds a cluster and refuses to belong to any other.",
    }),
  },
  listen: {
    address: text({
      default: "127.0.0.1",
      lengthMax: 255,
      problem: listenHostProblem,
      effect:
        "Address that all listeners bind to. Anything but a loopback address needs TLS for clients (tls) and between brokers (peerTls), or listen.insecure: true.",
    }),
    grpcPort: integer({ default: 7_650, ...PORT, effect: "Port of the clients' gRPC API. 0: any free one." }),
    peerPort: integer({
      default: 7_651,
      ...PORT,
      effect: "Port of the link between brokers. 0: any free one, which no seed list can name.",
    }),
    opsPort: integer({
      default: 7_652,
      ...PORT,
      effect: "Port of the probes and of /metrics, plain HTTP also where TLS is on. 0: any free one.",
    }),
    insecure: boolean({
      default: false,
      effect:
        "true allows listeners on addresses that other machines reach, without encryption or authentication; each start warns of it. Only inside a network that you trust.",
    }),
    metricsAddress: text({
      default: null,
      lengthMax: 255,
      problem: listenHostProblem,
      effect:
        "Address of a port of its own for /metrics and the status page, so that listen.opsPort answers the probes only. Plain HTTP. Unset: listen.address, when listen.metricsPort is set.",
    }),
    metricsPort: integer({
      default: null,
      ...PORT,
      effect:
        "Port of /metrics and the status page apart from the probes. 0: any free one. Unset: they are on listen.opsPort.",
    }),
  },
  tls: {
    certFile: text({
      ...FILE,
      effect:
        "PEM file with this broker's certificate for clients, then its intermediates; clients check that it is for the host that they connect to. Set: the clients' port speaks TLS only. Files that change are used from the next connection on, without a restart.",
    }),
    keyFile: text({ ...FILE, effect: "PEM file with the key of tls.certFile, without a password." }),
    caFile: text({
      ...FILE,
      effect:
        "PEM file with the authorities whose client certificates are accepted. Needed by tls.clientAuth: required.",
    }),
    clientAuth: choice({
      default: "none",
      choices: ["none", "required"],
      effect:
        "required: clients without a certificate of an authority in tls.caFile are refused at the handshake. none: clients are encrypted and not authenticated.",
    }),
  },
  peerTls: {
    certFile: text({
      ...FILE,
      effect:
        "PEM file with this broker's certificate for other brokers, then its intermediates. Among its alternative names is the URI varve://cluster/ID: a cluster that is founded takes that id, one that exists must have it. Valid for server and client use. Set: the peers' port speaks mutual TLS only.",
    }),
    keyFile: text({ ...FILE, effect: "PEM file with the key of peerTls.certFile, without a password." }),
    caFile: text({
      ...FILE,
      effect:
        "PEM file with the authorities that sign brokers' certificates; a peer must be signed by one of them and name the same cluster. Best an authority that signs nothing else.",
    }),
  },
  advertised: {
    grpcAddress: text({
      ...ADDRESS,
      effect:
        "host:port at which clients reach this broker; may be a template. Unset: listen.address and listen.grpcPort.",
    }),
    peerAddress: text({
      ...ADDRESS,
      effect:
        "host:port at which other brokers reach this one; may be a template. A seed's stands in cluster.seeds letter by letter. Unset: listen.address and listen.peerPort.",
    }),
    opsAddress: text({
      ...ADDRESS,
      effect:
        "host:port of /readyz and /metrics as others reach it; may be a template. Unset: listen.address and listen.opsPort.",
    }),
  },
  ops: {
    stopGateMs: integer({
      default: 300 * SECOND_MS,
      min: 0,
      max: 3_600 * SECOND_MS,
      unit: "ms",
      effect:
        "Longest wait of /prestop for partitions that would lose their quorum if this broker stopped. A pod's grace period must be longer by shutdownGraceMs and some seconds.",
    }),
    hungLoopMs: integer({
      default: 30 * SECOND_MS,
      min: SECOND_MS,
      max: 600 * SECOND_MS,
      unit: "ms",
      effect:
        "Time without a turn of the broker's event loop after which /livez says 503, so that its supervisor starts it anew. Smaller: long pauses of a busy process end it.",
    }),
  },
  raft: {
    heartbeatMs: integer({
      default: LIMITS.heartbeatMs,
      min: 10,
      max: 10 * SECOND_MS,
      unit: "ms",
      effect:
        "Time between two heartbeats of a leader, and the tick of all replicas. Smaller: failures are seen sooner, idle brokers work more.",
    }),
    electionTimeoutMs: integer({
      default: LIMITS.electionTimeoutMs,
      min: 50,
      max: 60 * SECOND_MS,
      unit: "ms",
      effect:
        "Silence of a leader before a follower stands for election; each waits a random 1x to 2x of it. At least 5 heartbeats. Smaller: pauses of a healthy leader cost it the lead.",
    }),
    appendBytesMax: integer({
      default: MIB,
      min: 64 * KIB,
      max: 8 * MIB,
      unit: "bytes",
      effect:
        "Frames in one append message to a follower; a larger single frame still goes. Larger: a lagging replica catches up faster, others wait longer behind it.",
    }),
    voterDeadMs: integer({
      default: 300 * SECOND_MS,
      min: SECOND_MS,
      max: DAY_MS,
      unit: "ms",
      effect:
        "Silence after which a broker that votes in the controller's group gives its vote to another that has caught up; it learns again when it is back. Longer than any restart. Smaller: a second failure is survived sooner, a slow restart changes the voters.",
    }),
  },
  limits: {
    recordBytesMax: integer({
      default: LIMITS.recordBytesMax,
      min: KIB,
      max: 4 * MIB,
      unit: "bytes",
      effect:
        "Largest record, key, value and headers together; larger ones are refused with RECORD_TOO_LARGE, in compressed batches by the SDK alone.",
    }),
    batchBytesMax: integer({
      default: LIMITS.batchBytesMax,
      min: KIB,
      max: 4 * MIB,
      unit: "bytes",
      effect:
        "Largest record batch; larger ones are refused with BATCH_TOO_LARGE. A topic can have a smaller limit of its own; the smaller one counts.",
    }),
    batchRecordsMax: integer({
      default: LIMITS.batchRecordsMax,
      min: 1,
      max: LIMITS.batchRecordsMax,
      unit: "records",
      effect: "Most records in one batch; more are refused with INVALID_BATCH.",
    }),
    produceRequestBytesMax: integer({
      default: LIMITS.produceRequestBytesMax,
      min: 64 * KIB,
      max: LIMITS.produceRequestBytesMax,
      unit: "bytes",
      effect:
        "Largest message from a client, but for 64 KiB around its batch; gRPC itself refuses larger ones. The most is what clients of Varve send.",
    }),
    fetchBytesMax: integer({
      default: LIMITS.fetchBytesMax,
      min: 64 * KIB,
      max: LIMITS.fetchBytesMax,
      unit: "bytes",
      effect: "Largest answer to a fetch, whatever the client asks for; one batch that alone is larger still goes.",
    }),
    inFlightBytesPerConnectionMax: integer({
      default: LIMITS.inFlightBytesPerConnectionMax,
      min: 64 * KIB,
      max: GIB,
      unit: "bytes",
      effect:
        "Produced bytes of one connection that wait for their acknowledgement. Beyond it the broker reads its streams on when some are acknowledged, and answers BROKER_OVERLOADED to unary calls.",
    }),
    inFlightRequestsPerConnectionMax: integer({
      default: LIMITS.inFlightRequestsPerConnectionMax,
      min: 10,
      max: 1_000_000,
      unit: "",
      effect:
        "Produce requests of one connection that wait for their acknowledgement, or for their client to take it; each costs the broker some 2 KiB beside its bytes. Beyond it the broker reads its streams on when some are answered, and answers BROKER_OVERLOADED to unary calls.",
    }),
    inFlightBytesMax: integer({
      default: LIMITS.inFlightBytesMax,
      min: 64 * KIB,
      max: 16 * GIB,
      unit: "bytes",
      effect:
        "Produced bytes that wait for their acknowledgement, appended here or forwarded; beyond it BROKER_OVERLOADED with a time to retry.",
    }),
    connectionsMax: integer({
      default: LIMITS.connectionsMax,
      min: 10,
      max: 1_000_000,
      unit: "",
      effect:
        "Open connections of clients; further ones are closed at once. Each costs a file descriptor and some 30 KiB: keep it well below the process's limit of open files, or files of the log cannot be opened.",
    }),
    connectionsPerAddressMax: integer({
      default: LIMITS.connectionsPerAddressMax,
      min: 1,
      max: 1_000_000,
      unit: "",
      effect:
        "Open connections of one address, so that one machine cannot take all; clients behind one proxy or address translation share theirs.",
    }),
    streamsPerConnectionMax: integer({
      default: LIMITS.streamsPerConnectionMax,
      min: 10,
      max: 100_000,
      unit: "",
      effect: "Open calls and streams of one connection; clients' libraries hold further ones back until some end.",
    }),
    idleConnectionMs: integer({
      default: LIMITS.idleConnectionMs,
      min: SECOND_MS,
      max: DAY_MS,
      unit: "ms",
      effect: "A connection without calls is closed after this time; clients connect again when they need it.",
    }),
    messageMs: integer({
      default: LIMITS.messageMs,
      min: 100,
      max: 600 * SECOND_MS,
      unit: "ms",
      effect:
        "Time that a message from a client may take from its first byte to its last; beyond it its call is cancelled. Smaller: slow links cannot send large batches.",
    }),
    unfinishedRequestBytesMax: integer({
      default: LIMITS.unfinishedRequestBytesMax,
      min: 32 * MIB,
      max: 16 * GIB,
      unit: "bytes",
      effect:
        "Bytes of messages that have begun to arrive and not ended, of all connections, a quarter of it of one; beyond it the call that brings more is cancelled.",
    }),
    responseBytesMax: integer({
      default: LIMITS.responseBytesMax,
      min: 64 * MIB,
      max: 16 * GIB,
      unit: "bytes",
      effect:
        "Bytes that were read for clients and that their connections have not taken yet, of all, an eighth of it of one; beyond it streams wait, and unary reads answer BROKER_OVERLOADED.",
    }),
    tailCacheBytesMax: integer({
      default: LIMITS.tailCacheBytesMax,
      min: MIB,
      max: 16 * GIB,
      unit: "bytes",
      effect: "Recent committed frames kept in memory for consumers and replicas; older ones are read from disk.",
    }),
    undrainedBytesMax: integer({
      default: LIMITS.undrainedBytesMax,
      min: MIB,
      max: 4 * GIB,
      unit: "bytes",
      effect:
        "Committed frames that wait in memory for their segment; beyond it produce answers BROKER_OVERLOADED, and followers let their leaders wait, until the disk has caught up.",
    }),
    uncommittedBytesPerGroupMax: integer({
      default: LIMITS.uncommittedBytesPerGroupMax,
      min: 64 * KIB,
      max: GIB,
      unit: "bytes",
      effect:
        "Frames of one partition that wait for a majority; beyond it produce to that partition answers BROKER_OVERLOADED.",
    }),
    moveBytesPerSecond: integer({
      default: 64 * MIB,
      min: 64 * KIB,
      max: 16 * GIB,
      unit: "bytes/s",
      unlimited: true,
      effect:
        "Bytes a second that this broker, where it leads, reads from disk for replicas that are moved or made anew, all partitions together. Smaller: moves take longer and disturb less.",
    }),
    partitionsPerTopicMax: integer({
      default: LIMITS.partitionsPerTopicMax,
      min: 1,
      max: LIMITS.partitionsPerTopicMax,
      unit: "partitions",
      effect: "Most partitions that a topic may be given through this broker.",
    }),
    replicasMax: integer({
      default: LIMITS.replicasMax,
      min: 1,
      max: LIMITS.replicasMax,
      unit: "replicas",
      effect: "Most replicas that a topic may be created with through this broker.",
    }),
    requestDeadlineMs: integer({
      default: LIMITS.requestDeadlineMs,
      min: 100,
      max: 600 * SECOND_MS,
      unit: "ms",
      effect:
        "Longest time a call may take when its client sets no deadline, and the longest deadline that is honoured.",
    }),
    producerExpiryMs: integer({
      default: LIMITS.producerExpiryMs,
      min: 60 * SECOND_MS,
      max: 365 * DAY_MS,
      unit: "ms",
      effect:
        "An idempotent producer that was silent for so long, by append times, is forgotten: a repeat of its last batch would be appended again.",
    }),
  },
  storage: {
    walFileBytes: integer({
      default: 64 * MIB,
      min: MIB,
      max: 4 * GIB,
      unit: "bytes",
      effect:
        "Size of each write-ahead log file, filled with zeros ahead of use. Larger: fewer changes of file, more disk held, more to read at start.",
    }),
    diskReserveBytes: integer({
      default: 256 * MIB,
      min: 0,
      max: 1_024 * GIB,
      unit: "bytes",
      effect:
        "Free disk space below which produce is refused with DISK_FULL, until an eighth more is free; reads, metadata and elections go on.",
    }),
    checkpointIntervalBytes: integer({
      default: 16 * MIB,
      min: 64 * KIB,
      max: GIB,
      unit: "bytes",
      effect: "Bytes of one log between two checkpoints. Smaller: faster restart, more small writes.",
    }),
    slowDiskMs: integer({
      default: SECOND_MS,
      min: 10,
      max: 60 * SECOND_MS,
      unit: "ms",
      effect:
        "Three flushes of the write-ahead log that take so long within 10 s, or one that has no answer for twice as long, and this broker hands its leaderships to others, for half a minute at least. Smaller: a busy disk costs it the lead.",
    }),
    hungDiskMs: integer({
      default: 20 * SECOND_MS,
      min: SECOND_MS,
      max: 600 * SECOND_MS,
      unit: "ms",
      effect:
        "A write or sync that the disk does not answer for so long ends the process, with an error that names the file.",
    }),
    scrubBytesPerSecond: integer({
      default: 8 * MIB,
      min: 0,
      max: 4 * GIB,
      unit: "bytes",
      effect:
        "Bytes a second at which everything stored is read and checked in the background; 0: never. Larger: rot is found sooner, the disk has less time for others.",
    }),
    scrubIntervalMs: integer({
      default: 7 * DAY_MS,
      min: SECOND_MS,
      max: 365 * DAY_MS,
      unit: "ms",
      effect: "Time between the beginnings of two rounds of that; the first one begins a minute after the start.",
    }),
  },
  topicDefaults: {
    partitions: integer({
      default: TOPIC_DEFAULTS.partitions,
      min: 1,
      max: LIMITS.partitionsPerTopicMax,
      unit: "partitions",
      effect: "Partitions of a topic whose creator does not say.",
    }),
    retentionMs: topicDefault("retentionMs"),
    retentionBytes: topicDefault("retentionBytes"),
    segmentBytes: topicDefault("segmentBytes"),
    segmentMs: topicDefault("segmentMs"),
  },
} as const;

/** A broker's settings, nested as in the file; frozen, every value within its limits. */
export type BrokerConfig = ConfigOf<typeof SETTINGS>;

/** A topic's own setting as a default for topics that are created through this broker. */
function topicDefault(key: keyof typeof TOPIC_CONFIG) {
  const { default: value, min, max, unit, unlimited, effect } = TOPIC_CONFIG[key];
  return integer({
    default: value as number,
    min,
    max,
    unit,
    unlimited,
    effect: `Given to new topics whose creator does not set ${key}; existing topics keep theirs. ${effect}`,
  });
}
