/**
 * gather.ts: asks this broker and the others for their reports, as often as somebody looks and no more often than is cheap.
 *
 * Other brokers are asked over the peer link. However many pages are open, a broker makes its report once a second at most, and gathers those
 * of others once in two seconds.
 */
import type { BrokerId } from "@varve/base";
import type { Broker } from "../broker.js";
import { type BrokerFacts, readinessOf } from "../ops/index.js";
import { decodeEnvelope, encodeEnvelope } from "../routing/envelope.js";
import type { ForwardableMethod } from "../routing/forwarding.js";
import { atMostEvery } from "./at-most-every.js";
import { leadingReplica, ledPartitions } from "./broker-report.js";
import { type ClusterFacts, clusterStatus } from "./cluster-status.js";
import { type GroupSource, groupReports } from "./group-report.js";
import type { BrokerReport } from "./status.js";

/** A broker's report is made no more often. */
const REPORT_PERIOD_MS = 1_000;
/** The picture of the cluster is made no more often. */
const CLUSTER_PERIOD_MS = 2_000;
/** How long another broker may take to answer. */
const ANSWER_MS = 1_500;

/** Numbers are on the wire and never reused; lower ones belong to log-api.ts and groups. */
const REPORT: ForwardableMethod<object, BrokerReport> = {
  number: 30,
  encodeRequest: (request) => encodeEnvelope(request, []),
  decodeRequest: (bytes) => decodeEnvelope<object>(bytes).head,
  encodeResponse: (response) => encodeEnvelope(response, []),
  decodeResponse: (bytes) => decodeEnvelope<BrokerReport>(bytes).head,
};

/** What operators can ask a broker about itself and its cluster. */
export interface StatusDesk {
  /** What this broker leads and coordinates; at most a second old. */
  report(): Promise<BrokerReport>;
  /** The cluster's status as JSON text; at most two seconds old. */
  clusterText(): Promise<string>;
}

export function statusDesk(broker: Broker, groups: GroupSource): StatusDesk {
  const { clock } = broker.ports;
  const report = atMostEvery(clock, REPORT_PERIOD_MS, () => reportOf(broker, groups));
  broker.forwarding.answer(REPORT, report);
  const others = (): Promise<BrokerReport[]> =>
    Promise.all(
      broker.hub
        .connected()
        .map(({ brokerId }) =>
          broker.forwarding.call(brokerId, REPORT, {}, { timeoutMs: ANSWER_MS }).catch(() => null),
        ),
    ).then((answers) => answers.filter((answer) => answer !== null));
  const clusterText = atMostEvery(clock, CLUSTER_PERIOD_MS, async () => {
    const [own, heard] = await Promise.all([report(), others()]);
    return JSON.stringify(clusterStatus({ ...clusterFacts(broker), reports: [own, ...heard] }));
  });
  return { report, clusterText };
}

/** The status of a broker that has no parts yet: itself, and what it waits for. */
export async function startingText(facts: BrokerFacts, rack: string | null, atMs: number): Promise<string> {
  const { ready, reasons } = readinessOf(facts);
  const own: BrokerReport = {
    brokerId: facts.brokerId,
    rack,
    ready,
    reasons,
    partitionsLed: 0,
    replicas: 0,
    partitions: [],
    partitionsOmitted: 0,
    groups: [],
    groupsOmitted: 0,
  };
  return JSON.stringify(clusterStatus({ ...unknownCluster(facts.brokerId, atMs), reports: [own] }));
}

async function reportOf(broker: Broker, source: GroupSource): Promise<BrokerReport> {
  const { brokerId, rack } = broker.settings;
  const [{ groups, omitted: groupsOmitted }, { led, omitted: partitionsOmitted }] = await Promise.all([
    groupReports(brokerId, source),
    ledPartitions({
      brokerId,
      clock: broker.ports.clock,
      topics: broker.controller === null ? [] : broker.state().topics(),
      leading: (groupId) => {
        const replica = broker.host.get(groupId);
        return replica === null ? null : leadingReplica(replica, brokerId);
      },
    }),
  ]);
  const { ready, reasons } = readinessOf(broker.facts());
  let partitionsLed = 0;
  let replicas = 0;
  for (const partition of broker.partitions.all()) {
    replicas++;
    if (partition.servingEpoch() !== null) partitionsLed++;
  }
  return {
    brokerId,
    rack,
    ready,
    reasons,
    partitionsLed,
    replicas,
    partitions: led,
    partitionsOmitted,
    groups,
    groupsOmitted,
  };
}

function clusterFacts(broker: Broker): Omit<ClusterFacts, "reports"> {
  const { brokerId, seeds } = broker.settings;
  const atMs = broker.ports.clock.wallMs();
  if (broker.controller === null) return unknownCluster(brokerId, atMs);
  const state = broker.state();
  const brokers = state.brokers();
  return {
    brokerId,
    clusterId: state.clusterId,
    controller: broker.access.leader(),
    atMs,
    brokers,
    missingSeeds: seeds.filter((seed) => !brokers.some(({ peerAddress }) => peerAddress === seed)),
    topics: state.topics(),
    leaderOf: (groupId) => broker.leaders.get(groupId)?.broker ?? null,
  };
}

function unknownCluster(brokerId: BrokerId, atMs: number): Omit<ClusterFacts, "reports"> {
  return {
    brokerId,
    clusterId: null,
    controller: null,
    atMs,
    brokers: [],
    missingSeeds: [],
    topics: [],
    leaderOf: () => null,
  };
}
