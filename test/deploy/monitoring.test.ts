import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { at, find, objectsOf, render, renderText } from "./chart.js";
import { conform } from "./conform.js";
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
      const counts = about.map(({ exp_samples: samples }) => samples.length);
      expect({ alert, fires: counts.includes(1), silent: counts.includes(0) }).toEqual({
        alert,
        fires: true,
        silent: true,
      });
    }
  });
});

/** What in a query does not keep apart two clusters of one namespace: aggregations over both. */
const mixing = (expr: string): string[] =>
  [...expr.matchAll(/\b(?:sum|max|min)\b(?! by \(namespace, job\b)/g)].map(([at]) => at);
/** Selectors of the dashboard that ask more than the chosen cluster. */
const unchosen = (expr: string): string[] =>
  [...expr.matchAll(/\b(?:varve|process)_\w+(?!\w|\{namespace="\$namespace", job="\$job")/g)].map(([name]) => name);

describe("two clusters in one namespace", () => {
  test("are two to every alert and to every panel", () => {
    for (const { expr } of alerts) expect(mixing(expr)).toEqual([]);
    for (const expr of queries) expect(unchosen(expr)).toEqual([]);
  });

  test("would be found mixed", () => {
    expect(mixing("max by (namespace, job) (a) - sum by (namespace) (b)")).toEqual(["sum"]);
    expect(unchosen('sum(varve_topics{namespace="$namespace"})')).toEqual(["varve_topics"]);
  });
});

describe.skipIf(lacks("helm"))("the chart's monitoring", () => {
  const SERVICE = "metrics.serviceMonitor.enabled=true";
  const POD = "metrics.podMonitor.enabled=true";
  const targetOf = (release: string): unknown[] => {
    const args = ["template", release, CHART, "--kube-version", "1.35.0", "--set", SERVICE];
    const objects = objectsOf(run("helm", args));
    const name = `${release}-varve`;
    const label = String(at(find(objects, "ServiceMonitor", name), "spec", "jobLabel"));
    const pods = at(find(objects, "StatefulSet", name), "spec", "template", "metadata", "labels", label);
    return [find(objects, "Service", `${name}-headless`).metadata.labels?.[label], pods];
  };

  test("makes the release's name the job of its metrics", () => {
    expect(targetOf("blue")).toEqual(["blue", "blue"]);
    expect(at(find(render([], [POD]), "PodMonitor", "varve"), "spec", "jobLabel")).toBe("app.kubernetes.io/instance");
  });

  test.each([
    { why: "with the probes", set: [], port: "http-ops" },
    { why: "on a port of its own", set: ["metrics.port=7653"], port: "http-metrics" },
  ])("reads /metrics $why, through the Service or from the pods", ({ set, port }) => {
    const service = render([], [SERVICE, ...set]);
    const pods = render([], [POD, ...set]);
    const monitors = (objects: typeof pods): string[] =>
      objects.map(({ kind }) => kind).filter((kind) => kind.endsWith("Monitor"));
    expect([monitors(service), monitors(pods)]).toEqual([["ServiceMonitor"], ["PodMonitor"]]);
    const monitor = find(pods, "PodMonitor", "varve");
    expect(at(monitor, "spec", "podMetricsEndpoints", 0, "port")).toBe(port);
    expect(at(find(service, "ServiceMonitor", "varve"), "spec", "endpoints", 0, "port")).toBe(port);
    const pod = find(pods, "StatefulSet", "varve");
    const ports = at(pod, "spec", "template", "spec", "containers", 0, "ports") as { name: string }[];
    expect(ports.map(({ name }) => name)).toContain(port);
    expect(at(monitor, "spec", "selector")).toEqual(at(pod, "spec", "selector"));
  });

  test.skipIf(lacks("kubeconform"))("makes a PodMonitor as the operator wants it", () => {
    const text = renderText([], [POD]);
    expect(conform("v1.35", text)).toEqual({ ok: true, said: "" });
    expect(conform("v1.35", text.replace("podMetricsEndpoints", "endpoints")).ok).toBe(false);
  });

  test("refuses to read each broker twice", () => {
    expect(() => render([], [SERVICE, POD])).toThrow("not both");
  });

  test("leads from an alert to the runbook, where it is published", () => {
    const urls = (set: string[]): string[] => {
      const rule = find(render([], ["metrics.prometheusRule.enabled=true", ...set]), "PrometheusRule", "varve");
      const made = at(rule, "spec", "groups", 0, "rules") as Alert[];
      return made.map(({ annotations }) => annotations.runbook_url);
    };
    const plain = alerts.map(({ annotations }) => annotations.runbook_url);
    expect(urls([])).toEqual(plain);
    const base = "https://example.com/varve/";
    expect(urls([`metrics.prometheusRule.runbookBaseUrl=${base}`])).toEqual(plain.map((path) => base + path));
    expect(() => urls(["metrics.prometheusRule.runbookBaseUrl=https://example.com/varve"])).toThrow("runbookBaseUrl");
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
