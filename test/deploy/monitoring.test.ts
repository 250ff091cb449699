import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { CHART, DEPLOY, lacks, ROOT, run } from "./tools.js";

const read = (path: string): string => readFileSync(path, "utf8");

interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string; readonly runbook_url: string };
}
const rules = read(`${CHART}/files/alerts.yaml`);
const alerts = (parse(rules) as { groups: { rules: Alert[] }[] }).groups.flatMap((group) => group.rules);
const TESTS = `${DEPLOY}monitoring/alerts_test.yaml`;
const unitTests = (
  parse(read(TESTS)) as { tests: { name: string; promql_expr_test: { expr: string; exp_samples: unknown[] }[] }[] }
).tests;

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[];
  readonly templating: { readonly list: readonly { readonly query: string }[] };
}
const dashboard = JSON.parse(read(`${CHART}/files/dashboard.json`)) as Dashboard;
const queries = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));

/** Every series that a broker exports, from the table of its metrics. */
function exported(): Set<string> {
  const rows = read(`${ROOT}packages/broker/src/ops/metric-table.ts`).matchAll(/name: "(\w+)",\s+type: "(\w+)"/g);
  const parts = ["_bucket", "_sum", "_count"];
  return new Set(
    [...rows].flatMap(([, name = "", type]) => (type === "histogram" ? parts.map((part) => name + part) : [name])),
  );
}

const used = (text: string): string[] => [...text.matchAll(/\b(?:varve|process)_\w+/g)].map(([name]) => name);

describe("monitoring", () => {
  test("asks only for metrics that brokers export", () => {
    const known = exported();
    expect(known.size).toBeGreaterThan(50);
    const variables = dashboard.templating.list.map(({ query }) => query);
    const asked = [...alerts.map(({ expr }) => expr), ...queries, ...variables, read(TESTS)].flatMap(used);
    expect([...new Set(asked)].filter((name) => !known.has(name))).toEqual([]);
  });

  test("says of each alert how bad it is, what it means, and where it is written what to do", () => {
    const headings = new Set([...read(`${DEPLOY}runbooks/alerts.md`).matchAll(/^## (\w+)$/gm)].map(([, name]) => name));
    for (const { alert, labels, annotations } of alerts) {
      expect(["info", "warning", "critical"]).toContain(labels.severity);
      expect(annotations.summary).not.toBe("");
      expect(annotations.description).not.toBe("");
      expect(annotations.runbook_url).toBe(`deploy/runbooks/alerts.md#${alert.toLowerCase()}`);
      expect(headings).toContain(alert);
    }
    expect(headings.size).toBe(alerts.length);
  });

  test("has for each alert a history in which it fires and one in which it does not", () => {
    for (const { alert } of alerts) {
      const about = unitTests
        .flatMap((unit) => unit.promql_expr_test)
        .filter(({ expr }) => expr.includes(`"${alert}"`));
      expect(about.map(({ exp_samples: samples }) => samples.length)).toEqual([1, 0]);
    }
  });
});

describe.skipIf(lacks("promtool"))("promtool", () => {
  test("finds the alerts' rules and every query of the dashboard well-formed", () => {
    expect(run("promtool", ["check", "rules", `${CHART}/files/alerts.yaml`])).toContain(`${alerts.length} rules found`);
    const asRules = queries.map((expr, n) => ({ record: `panel_${n}`, expr }));
    const folder = mkdtempSync(join(tmpdir(), "varve-panels-"));
    try {
      writeFileSync(join(folder, "panels.yaml"), stringify({ groups: [{ name: "panels", rules: asRules }] }));
      expect(run("promtool", ["check", "rules", join(folder, "panels.yaml")])).toContain(
        `${queries.length} rules found`,
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("finds every alert firing and silent as its unit tests say", () => {
    expect(run("promtool", ["test", "rules", TESTS])).toContain("SUCCESS");
  });
});
