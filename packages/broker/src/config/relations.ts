/**
 * relations.ts: what must hold between settings that are each within their own limits.
 */
import { isWildcard } from "./address.js";
import { exposedInPlain } from "./exposed.js";
import type { BrokerConfig } from "./settings.js";

/** Election timeouts shorter than this many heartbeats would depose leaders that lost a packet or two. */
const HEARTBEATS_PER_ELECTION_MIN = 5;
/** Batches that a WAL file must hold, so that a flush rarely spans two files. */
const BATCHES_PER_WAL_FILE_MIN = 4;

interface Relation {
  /** In words, with the names of the settings. */
  readonly rule: string;
  /** Paths of the settings that are compared; when one of them is wrong by itself, the relation is not judged. */
  readonly of: readonly string[];
  readonly holds: (config: BrokerConfig) => boolean;
}

const RELATIONS: readonly Relation[] = [
  {
    rule: `raft.electionTimeoutMs must be at least ${HEARTBEATS_PER_ELECTION_MIN} x raft.heartbeatMs`,
    of: ["raft.electionTimeoutMs", "raft.heartbeatMs"],
    holds: ({ raft }) => raft.electionTimeoutMs >= HEARTBEATS_PER_ELECTION_MIN * raft.heartbeatMs,
  },
  {
    rule: "limits.recordBytesMax must not exceed limits.batchBytesMax",
    of: ["limits.recordBytesMax", "limits.batchBytesMax"],
    holds: ({ limits }) => limits.recordBytesMax <= limits.batchBytesMax,
  },
  {
    rule: "limits.batchBytesMax must not exceed limits.produceRequestBytesMax",
    of: ["limits.batchBytesMax", "limits.produceRequestBytesMax"],
    holds: ({ limits }) => limits.batchBytesMax <= limits.produceRequestBytesMax,
  },
  {
    rule: "limits.produceRequestBytesMax must not exceed limits.inFlightBytesPerConnectionMax",
    of: ["limits.produceRequestBytesMax", "limits.inFlightBytesPerConnectionMax"],
    holds: ({ limits }) => limits.produceRequestBytesMax <= limits.inFlightBytesPerConnectionMax,
  },
  {
    rule: "limits.inFlightBytesPerConnectionMax must not exceed limits.inFlightBytesMax",
    of: ["limits.inFlightBytesPerConnectionMax", "limits.inFlightBytesMax"],
    holds: ({ limits }) => limits.inFlightBytesPerConnectionMax <= limits.inFlightBytesMax,
  },
  {
    rule: "limits.batchBytesMax must not exceed limits.uncommittedBytesPerGroupMax",
    of: ["limits.batchBytesMax", "limits.uncommittedBytesPerGroupMax"],
    holds: ({ limits }) => limits.batchBytesMax <= limits.uncommittedBytesPerGroupMax,
  },
  {
    rule: "limits.uncommittedBytesPerGroupMax must not exceed limits.undrainedBytesMax",
    of: ["limits.uncommittedBytesPerGroupMax", "limits.undrainedBytesMax"],
    holds: ({ limits }) => limits.uncommittedBytesPerGroupMax <= limits.undrainedBytesMax,
  },
  {
    rule: `storage.walFileBytes must be at least ${BATCHES_PER_WAL_FILE_MIN} x limits.batchBytesMax`,
    of: ["storage.walFileBytes", "limits.batchBytesMax"],
    holds: ({ storage, limits }) => storage.walFileBytes >= BATCHES_PER_WAL_FILE_MIN * limits.batchBytesMax,
  },
  {
    rule: "storage.hungDiskMs must be at least 2 x storage.slowDiskMs",
    of: ["storage.hungDiskMs", "storage.slowDiskMs"],
    holds: ({ storage }) => storage.hungDiskMs >= 2 * storage.slowDiskMs,
  },
  {
    rule: "topicDefaults.partitions must not exceed limits.partitionsPerTopicMax",
    of: ["topicDefaults.partitions", "limits.partitionsPerTopicMax"],
    holds: ({ topicDefaults, limits }) => topicDefaults.partitions <= limits.partitionsPerTopicMax,
  },
  {
    rule: "listen.grpcPort, listen.peerPort, listen.opsPort and listen.metricsPort must differ",
    of: ["listen.grpcPort", "listen.peerPort", "listen.opsPort", "listen.metricsPort"],
    holds: ({ listen }) => {
      const ports = [listen.grpcPort, listen.peerPort, listen.opsPort, listen.metricsPort];
      const fixed = ports.filter((port) => port !== 0 && port !== null);
      return new Set(fixed).size === fixed.length;
    },
  },
  {
    rule: "cluster.seeds must not name an address twice",
    of: ["cluster.seeds"],
    holds: ({ cluster }) => new Set(cluster.seeds).size === cluster.seeds.length,
  },
  {
    rule: "listen.address is reachable from other machines, and clients or brokers are neither encrypted nor authenticated: set tls and peerTls, set listen.insecure: true if the network is trusted, or bind 127.0.0.1",
    of: ["listen.address", "listen.insecure", "tls.certFile", "peerTls.certFile"],
    holds: (config) => config.listen.insecure || exposedInPlain(config).length === 0,
  },
  {
    rule: "tls.certFile and tls.keyFile belong together: set both or neither",
    of: ["tls.certFile", "tls.keyFile"],
    holds: ({ tls }) => (tls.certFile === null) === (tls.keyFile === null),
  },
  {
    rule: "tls.caFile is of no use without tls.certFile",
    of: ["tls.certFile", "tls.caFile"],
    holds: ({ tls }) => tls.caFile === null || tls.certFile !== null,
  },
  {
    rule: "tls.clientAuth: required needs tls.caFile, which says whose certificates are accepted",
    of: ["tls.clientAuth", "tls.caFile"],
    holds: ({ tls }) => tls.clientAuth === "none" || tls.caFile !== null,
  },
  {
    rule: "peerTls.certFile, peerTls.keyFile and peerTls.caFile belong together: set all or none",
    of: ["peerTls.certFile", "peerTls.keyFile", "peerTls.caFile"],
    holds: ({ peerTls }) => new Set(Object.values(peerTls).map((file) => file === null)).size === 1,
  },
  {
    rule: "listen.metricsAddress needs listen.metricsPort",
    of: ["listen.metricsAddress", "listen.metricsPort"],
    holds: ({ listen }) => listen.metricsAddress === null || listen.metricsPort !== null,
  },
  {
    rule: "listen.address stands for all interfaces, so advertised.grpcAddress, advertised.peerAddress and advertised.opsAddress must say where others reach this broker",
    of: ["listen.address", "advertised.grpcAddress", "advertised.peerAddress", "advertised.opsAddress"],
    holds: ({ listen, advertised }) =>
      !isWildcard(listen.address) ||
      [advertised.grpcAddress, advertised.peerAddress, advertised.opsAddress].every((address) => address !== null),
  },
];

/** Every relation between settings outside `wrongPaths` that does not hold, in words. */
export function relationProblems(config: BrokerConfig, wrongPaths: ReadonlySet<string> = new Set()): string[] {
  return RELATIONS.filter(({ of }) => !of.some((path) => wrongPaths.has(path)))
    .filter(({ holds }) => !holds(config))
    .map(({ rule }) => rule);
}
