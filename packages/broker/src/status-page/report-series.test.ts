import { describe, expect, test } from "vitest";
import { createMetrics, SERIES_MAX } from "../ops/index.js";
import { seriesOf } from "./report-series.js";
import type { BrokerReport, GroupReport, PartitionReport } from "./status.js";

function partition(topic: string, at: number): PartitionReport {
  return {
    groupId: at + 1,
    topic,
    partition: at,
    epoch: 4,
    logStart: 5,
    highWatermark: 25,
    sizeBytes: 1_000,
    replicas: [
      { broker: 2, inSync: true, lagEntries: 0 },
      { broker: 1, inSync: true, lagEntries: 0 },
      { broker: 3, inSync: false, lagEntries: 12 },
    ],
  };
}

function group(name: string, partitions: GroupReport["partitions"]): GroupReport {
  return {
    group: name,
    state: "stable",
    coordinator: 2,
    coordinatorEpoch: 1,
    memberCount: 3,
    members: [],
    partitionCount: partitions.length,
    partitions,
    lagRecords: 60,
    lagMs: 1_500,
    lagUnknown: 0,
  };
}

const REPORT: BrokerReport = {
  brokerId: 2,
  rack: "zone-a",
  ready: true,
  reasons: [],
  partitionsLed: 1,
  replicas: 1,
  partitions: [partition("orders", 0)],
  partitionsOmitted: 0,
  groups: [
    group("billing", [
      { topic: "orders", partition: 0, committed: 7, lagRecords: 18, lagMs: 250, memberId: "m" },
      { topic: "orders", partition: 1, committed: null, lagRecords: null, lagMs: null, memberId: null },
    ]),
  ],
  groupsOmitted: 0,
};

async function linesOf(report: BrokerReport, seriesMax?: number): Promise<string[]> {
  const metrics = createMetrics({ version: "0.1.0", nodeVersion: "v20" });
  metrics.watchSeries(() => Promise.resolve(seriesOf(report, seriesMax)));
  const isSeries = /^varve_(?:broker_ready|partition_|group_|series_)/;
  return (await metrics.text()).split("\n").filter((line) => isSeries.test(line));
}

describe("the series of a report", () => {
  test("are its figures, each once; what is unknown is absent", async () => {
    expect(await linesOf(REPORT)).toEqual([
      'varve_broker_ready{broker="2",rack="zone-a"} 1',
      'varve_partition_leader_epoch{topic="orders",partition="0"} 4',
      'varve_partition_log_start_offset{topic="orders",partition="0"} 5',
      'varve_partition_high_watermark_offset{topic="orders",partition="0"} 25',
      'varve_partition_size_bytes{topic="orders",partition="0"} 1000',
      'varve_partition_replica_lag_entries{topic="orders",partition="0",broker="1"} 0',
      'varve_partition_replica_lag_entries{topic="orders",partition="0",broker="3"} 12',
      'varve_group_members{group="billing"} 3',
      'varve_group_lag_records{group="billing"} 60',
      'varve_group_lag_seconds{group="billing"} 1.5',
      'varve_group_partition_committed_offset{group="billing",topic="orders",partition="0"} 7',
      'varve_group_partition_lag_records{group="billing",topic="orders",partition="0"} 18',
      'varve_group_partition_lag_seconds{group="billing",topic="orders",partition="0"} 0.25',
      'varve_series_omitted{of="partitions"} 0',
      'varve_series_omitted{of="groups"} 0',
    ]);
  });

  test("ids and hosts of members, which are any text, are not among the labels", async () => {
    const hostile = {
      memberId: "m",
      staticId: "secret",
      clientId: 'x"} 1\nevil 1',
      host: "h",
      away: false,
      assigned: [],
    };
    const groups = REPORT.groups.map((each) => ({ ...each, members: [hostile] }));
    expect((await linesOf({ ...REPORT, groups })).join("\n")).not.toMatch(/secret|evil/);
  });

  test("are bounded apart for partitions and groups; totals of all groups come before any partition of one", async () => {
    const row = { topic: "orders", partition: 0, committed: 1, lagRecords: 1, lagMs: 1, memberId: null };
    const report = {
      ...REPORT,
      partitions: [partition("a", 0), partition("b", 0), partition("c", 0)],
      partitionsOmitted: 4,
      groups: [group("one", [row]), group("two", [row])],
      groupsOmitted: 2,
    };
    const lines = await linesOf(report, 8);
    const about = (name: string) => lines.filter((line) => line.startsWith(`varve_${name}`));
    expect(about("partition")).toHaveLength(8);
    expect(about("partition").filter((line) => line.includes('topic="a"'))).toHaveLength(6);
    expect(about("group")).toHaveLength(8);
    expect(about("group_members")).toHaveLength(2);
    expect(about("group_partition").filter((line) => line.includes('group="two"'))).toHaveLength(0);
    expect(lines.slice(-2)).toEqual(['varve_series_omitted{of="partitions"} 6', 'varve_series_omitted{of="groups"} 4']);
  });

  test("a group whose partitions the report itself left out counts as left out", async () => {
    const groups = [{ ...group("one", []), partitionCount: 12 }];
    expect((await linesOf({ ...REPORT, groups })).slice(-1)).toEqual(['varve_series_omitted{of="groups"} 1']);
  });

  test("100,000 partitions make no more series than the limit", async () => {
    const partitions = Array.from({ length: 100_000 }, (_, at) => partition("orders", at));
    const lines = await linesOf({ ...REPORT, partitions, groups: [] });
    expect(lines.filter((line) => line.startsWith("varve_partition_"))).toHaveLength(SERIES_MAX);
  });
});
