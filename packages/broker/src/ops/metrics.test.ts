import { readFileSync } from "node:fs";
import { ERROR_CATALOGUE, isErrorCode } from "@varve/base";
import { describe, expect, test } from "vitest";
import { METRIC_ROWS } from "./metric-table.js";
import { createMetrics } from "./metrics.js";

const fresh = () => createMetrics({ version: "0.1.0", nodeVersion: "v20" });

/** The value of a series, null when it is not shown. */
async function value(metrics: ReturnType<typeof fresh>, series: string): Promise<number | null> {
  const line = (await metrics.text()).split("\n").find((text) => text.startsWith(`${series} `));
  return line === undefined ? null : Number(line.slice(series.length + 1));
}

describe("metrics", () => {
  test("counts start at zero and add up", async () => {
    const metrics = fresh();
    expect(await value(metrics, "varve_produce_bytes_total")).toBe(0);
    metrics.produceBytes.add(100);
    metrics.produceBytes.add(28);
    expect(await value(metrics, "varve_produce_bytes_total")).toBe(128);
  });

  test("latencies are given in milliseconds and shown in seconds", async () => {
    const metrics = fresh();
    metrics.fsyncLatency.observeMs(3);
    expect(await value(metrics, "varve_wal_fsync_latency_seconds_sum")).toBeCloseTo(0.003);
    expect(await value(metrics, 'varve_wal_fsync_latency_seconds_bucket{le="0.0025"}')).toBe(0);
    expect(await value(metrics, 'varve_wal_fsync_latency_seconds_bucket{le="0.005"}')).toBe(1);
  });

  test("a gauge is read at each scrape, and does not exist before anyone says how", async () => {
    const metrics = fresh();
    expect(await value(metrics, "varve_partitions_leaderless")).toBeNull();
    let leaderless = 2;
    metrics.watchGauge("partitionsLeaderless", () => leaderless);
    expect(await value(metrics, "varve_partitions_leaderless")).toBe(2);
    leaderless = 0;
    expect(await value(metrics, "varve_partitions_leaderless")).toBe(0);
  });

  test("a count that another part keeps is shown as it is, not added up", async () => {
    const metrics = fresh();
    metrics.watchCounter("walFlushes", () => 7);
    await metrics.text();
    expect(await value(metrics, "varve_wal_flushes_total")).toBe(7);
  });

  test("series are what is read at each scrape: those that are gone are shown no more", async () => {
    const metrics = fresh();
    const series = 'varve_group_members{group="billing"}';
    expect(await value(metrics, series)).toBeNull();
    let members = [{ labels: { group: "billing" }, value: 3 }];
    metrics.watchSeries(() => Promise.resolve({ groupMembers: members }));
    expect(await value(metrics, series)).toBe(3);
    members = [{ labels: { group: "audit" }, value: 1 }];
    expect(await value(metrics, series)).toBeNull();
    expect(await value(metrics, 'varve_group_members{group="audit"}')).toBe(1);
  });

  test("series that cannot be read are absent, and the rest is shown", async () => {
    const metrics = fresh();
    let read = () => Promise.resolve({ groupMembers: [{ labels: { group: "billing" }, value: 3 }] });
    metrics.watchSeries(() => read());
    await metrics.text();
    read = () => Promise.reject(new Error("no quorum"));
    expect(await value(metrics, 'varve_group_members{group="billing"}')).toBeNull();
    expect(await value(metrics, "varve_produce_bytes_total")).toBe(0);
  });

  test("a bound of memory shows its use beside its limit", async () => {
    const metrics = fresh();
    metrics.watchMemoryBound("undrained", 64, () => 12);
    expect(await value(metrics, 'varve_memory_bound_used_bytes{bound="undrained"}')).toBe(12);
    expect(await value(metrics, 'varve_memory_bound_limit_bytes{bound="undrained"}')).toBe(64);
  });

  test("failures are counted by code, for every code of the catalogue", async () => {
    const metrics = fresh();
    for (const code of Object.keys(ERROR_CATALOGUE)) if (isErrorCode(code)) metrics.produceErrors.add(code);
    expect(await value(metrics, 'varve_produce_errors_total{code="NOT_LEADER"}')).toBe(1);
  });

  test("two brokers of one process count apart", async () => {
    const [one, two] = [fresh(), fresh()];
    one.leaderChanges.add(1);
    expect(await value(two, "varve_leader_changes_total")).toBe(0);
  });

  test("names follow the conventions: base units, _total for counters only", () => {
    for (const { name, type, help } of METRIC_ROWS) {
      expect(name).toMatch(/^(varve|process)_[a-z_]+$/);
      expect(name.endsWith("_total"), name).toBe(type === "counter");
      expect(name, name).not.toMatch(/_(ms|milliseconds|kb|mb|mib)(_|$)/);
      if (type === "histogram") expect(name).toMatch(/_seconds$/);
      expect(help.length, name).toBeGreaterThan(20);
    }
    expect(new Set(METRIC_ROWS.map(({ name }) => name)).size).toBe(METRIC_ROWS.length);
  });

  test("OPERATIONS.md lists exactly the metrics that there are", () => {
    const text = readFileSync(new URL("../../OPERATIONS.md", import.meta.url), "utf8");
    const listed = [...text.matchAll(/^\| `((?:varve|process)_[a-z_]+)[`{]/gm)].map(([, name]) => name);
    expect(listed).toEqual(METRIC_ROWS.map(({ name }) => name));
  });
});
