/**
 * cluster-status.ts: puts the reports of all brokers together into one picture of the cluster, and says what is wrong with it.
 *
 * Pure. Of two brokers that both say to lead a partition or to coordinate a group, the one of the later epoch does.
 */
import type { BrokerId, ClusterId, GroupId } from "@varve/base";
import { type Broker, isInternalTopic, type Partition, type Topic } from "@varve/cluster";
import {
  type BrokerReport,
  type BrokerRow,
  type ClusterStatus,
  type GroupReport,
  type GroupRow,
  type PartitionReport,
  type PartitionRow,
  STATUS_LIMITS,
  type TopicRow,
} from "./status.js";

/** Partitions that one problem names; the rest is counted. */
const NAMED_MAX = 10;

export interface ClusterFacts {
  readonly brokerId: BrokerId;
  readonly clusterId: ClusterId | null;
  readonly controller: BrokerId | null;
  readonly atMs: number;
  /** Registered brokers, by id. */
  readonly brokers: readonly Broker[];
  /** Addresses of seeds that have not registered. */
  readonly missingSeeds: readonly string[];
  /** By name. */
  readonly topics: readonly Topic[];
  /** Who leads, as far as leaders have announced themselves. */
  readonly leaderOf: (groupId: GroupId) => BrokerId | null;
  /** Of the brokers that answered. */
  readonly reports: readonly BrokerReport[];
}

export function clusterStatus(facts: ClusterFacts): ClusterStatus {
  const brokers = brokerRows(facts);
  const { topics, omitted } = topicRows(facts);
  const groups = groupRows(facts.reports);
  const problems = [...problemsOf(brokers, facts.missingSeeds, topics)];
  const { brokerId, clusterId, controller, atMs } = facts;
  return {
    brokerId,
    clusterId,
    controller,
    atMs,
    problems: problems.slice(0, STATUS_LIMITS.problemsMax),
    problemCount: problems.length,
    brokers,
    topics,
    groups: groups.slice(0, STATUS_LIMITS.groupsMax),
    omitted: {
      partitions: omitted,
      groups:
        Math.max(0, groups.length - STATUS_LIMITS.groupsMax) +
        facts.reports.reduce((sum, { groupsOmitted }) => sum + groupsOmitted, 0),
    },
  };
}

/** The order in which partitions are shown, and left out at the limits. */
export function internalLast(topics: readonly Topic[]): readonly Topic[] {
  return [
    ...topics.filter(({ topic }) => !isInternalTopic(topic)),
    ...topics.filter(({ topic }) => isInternalTopic(topic)),
  ];
}

/** Registered brokers, and the one that answers while it is not registered yet. */
function brokerRows({ brokers, reports, brokerId: self }: ClusterFacts): BrokerRow[] {
  const reportOf = new Map(reports.map((report) => [report.brokerId, report]));
  const rows = brokers.map(({ brokerId, grpcAddress, rack, version }) =>
    brokerRow(brokerId, { address: grpcAddress, rack, version }, reportOf.get(brokerId)),
  );
  const own = reportOf.get(self);
  if (own !== undefined && !brokers.some(({ brokerId }) => brokerId === self))
    rows.push(brokerRow(self, { address: "", rack: own.rack, version: "" }, own));
  return rows;
}

function brokerRow(
  broker: BrokerId,
  { address, rack, version }: Pick<BrokerRow, "address" | "rack" | "version">,
  report: BrokerReport | undefined,
): BrokerRow {
  return {
    broker,
    address,
    rack,
    version,
    ready: report?.ready === true,
    reasons: report?.reasons ?? ["does not answer"],
    partitionsLed: report?.partitionsLed ?? null,
    replicas: report?.replicas ?? null,
  };
}

function topicRows({ topics, reports, leaderOf }: ClusterFacts): { topics: TopicRow[]; omitted: number } {
  const newest = new Map<GroupId, { readonly report: PartitionReport; readonly leader: BrokerId }>();
  for (const { brokerId: leader, partitions } of reports) {
    for (const report of partitions) {
      const known = newest.get(report.groupId);
      if (known === undefined || known.report.epoch < report.epoch) newest.set(report.groupId, { report, leader });
    }
  }
  let left: number = STATUS_LIMITS.partitionsMax;
  let omitted = 0;
  const rows: TopicRow[] = [];
  for (const { topic, replicas, partitions } of internalLast(topics)) {
    const shown = partitions.slice(0, left);
    left -= shown.length;
    omitted += partitions.length - shown.length;
    if (shown.length === 0 && partitions.length > 0) continue;
    rows.push({
      topic,
      internal: isInternalTopic(topic),
      replicas,
      partitions: shown.map((partition) => partitionRow(partition, newest.get(partition.groupId), leaderOf)),
    });
  }
  return { topics: rows, omitted };
}

function partitionRow(
  { partition, groupId, replicas }: Partition,
  led: { readonly report: PartitionReport; readonly leader: BrokerId } | undefined,
  leaderOf: ClusterFacts["leaderOf"],
): PartitionRow {
  if (led === undefined) {
    return {
      partition,
      leader: leaderOf(groupId),
      epoch: null,
      logStart: null,
      highWatermark: null,
      sizeBytes: null,
      replicas: replicas.map(({ brokerId }) => ({ broker: brokerId, inSync: null, lagEntries: null })),
    };
  }
  const { epoch, logStart, highWatermark, sizeBytes, replicas: rows } = led.report;
  return { partition, leader: led.leader, epoch, logStart, highWatermark, sizeBytes, replicas: rows };
}

function groupRows(reports: readonly BrokerReport[]): GroupRow[] {
  const newest = new Map<string, GroupReport>();
  for (const { groups } of reports) {
    for (const group of groups) {
      const known = newest.get(group.group);
      if (known === undefined || known.coordinatorEpoch < group.coordinatorEpoch) newest.set(group.group, group);
    }
  }
  return [...newest.values()]
    .map(({ coordinatorEpoch: _epoch, ...row }) => row)
    .sort((left, right) => (left.group < right.group ? -1 : 1));
}

function* problemsOf(
  brokers: readonly BrokerRow[],
  missingSeeds: readonly string[],
  topics: readonly TopicRow[],
): Generator<string> {
  for (const { broker, address, ready, reasons } of brokers)
    if (!ready) yield `broker ${broker}${address === "" ? "" : ` (${address})`}: ${reasons.join("; ")}`;
  for (const seed of missingSeeds) yield `the seed ${seed} has not registered`;
  for (const topic of topics) yield* topicProblems(topic);
}

/** One line for each kind of trouble, whatever the number of partitions: a dead broker must not fill the page. */
function* topicProblems({ topic, partitions }: TopicRow): Generator<string> {
  const leaderless = partitions.filter(({ leader }) => leader === null);
  if (leaderless.length > 0) yield `${topic}: no leader for ${named(leaderless)}; no records are taken there`;
  const led = partitions.filter(({ leader }) => leader !== null);
  const untold = led.filter(({ replicas }) => replicas.some(({ inSync }) => inSync === null));
  if (untold.length > 0) yield `${topic}: nothing heard from the leader of ${named(untold)}`;
  const behind = led.filter(({ replicas }) => replicas.some(({ inSync }) => inSync === false));
  if (behind.length > 0) yield `${topic}: not all replicas up to date of ${named(behind)}`;
}

function named(partitions: readonly PartitionRow[]): string {
  const numbers = partitions.slice(0, NAMED_MAX).map(({ partition }) => partition);
  const rest = partitions.length - numbers.length;
  return `partition${partitions.length === 1 ? "" : "s"} ${numbers.join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
}
