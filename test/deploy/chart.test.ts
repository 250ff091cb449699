import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfigFile } from "@varve/broker/node";
import { CLUSTER_URI, clustersNamed } from "@varve/peer/node";
import { describe, expect, test } from "vitest";
import {
  at,
  boundedBytes,
  find,
  type KubeObject,
  render,
  renderText,
  settingsOf,
  settingsText,
  VALUES,
} from "./chart.js";
import { conform, VERSIONS } from "./conform.js";
import { podSpecs } from "./policy.js";
import { CHART, DEPLOY, lacks, run } from "./tools.js";

const noHelm = lacks("helm");
const named = VALUES.map((values) => ({ name: values.length === 0 ? "the defaults" : values.join(" + "), values }));

/** The container's own environment, as the kubelet would make it for the first pod. */
function environment(objects: readonly KubeObject[]): Record<string, string> {
  const env = at(find(objects, "StatefulSet", "varve"), "spec", "template", "spec", "containers", 0, "env");
  const fields: Readonly<Record<string, string>> = {
    "metadata.name": "varve-0",
    "metadata.namespace": "varve",
    "spec.nodeName": "node-0",
  };
  const entries = env as { name: string; value?: string; valueFrom?: unknown }[];
  return Object.fromEntries(
    entries.map(({ name, value, valueFrom }) => [
      name,
      value ?? fields[String(at(valueFrom, "fieldRef", "fieldPath"))] ?? "",
    ]),
  );
}

/** The settings of the pod of this number, as its broker takes them. */
function settingsOfPod(objects: readonly KubeObject[], ordinal: number): ReturnType<typeof loadConfigFile> {
  const folder = mkdtempSync(join(tmpdir(), "varve-chart-"));
  try {
    const file = join(folder, "broker.yaml");
    writeFileSync(file, settingsText(objects));
    return loadConfigFile(file, { ...environment(objects), HOSTNAME: `varve-${ordinal}` });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe.skipIf(noHelm || lacks("kubeconform"))("Kubernetes' own schemas", () => {
  test.each(named)("have every field of $name, in the oldest and the newest version", ({ values }) => {
    const text = renderText(values);
    for (const version of VERSIONS) {
      const { ok, said } = conform(version, text);
      expect(said).toBe("");
      expect(ok).toBe(true);
    }
  });

  test("have every field of what asks nodes for their zone", () => {
    const text = renderText(["values-three-zones.yaml"], ["rack.fromNode=true"]);
    for (const version of VERSIONS) expect(conform(version, text)).toEqual({ ok: true, said: "" });
  });

  test.each(["admission/no-scale-in.yaml", "keda/scaledobject.yaml"])("have every field of %s", (name) => {
    expect(conform("v1.35", readFileSync(`${DEPLOY}${name}`, "utf8"))).toEqual({ ok: true, said: "" });
  });

  test.each([
    ["podManagementPolicy:", "podManagmentPolicy:"],
    ["path: /livez", "pathh: /livez"],
    ["maxUnavailable: 1", "maxUnavailible: 1"],
    ["kind: PodDisruptionBudget", "kind: PodDisruptionBudgets"],
  ])("notice when %s is written %s", (right, wrong) => {
    const text = renderText([]);
    expect(text).toContain(right);
    expect(conform("v1.35", text.replace(right, wrong)).ok).toBe(false);
  });
});

describe.skipIf(noHelm)("the chart", () => {
  test.each(named)("gives brokers settings that they take, with $name", ({ values }) => {
    const objects = render(values);
    const config = settingsOfPod(objects, 0);
    expect(config).toMatchObject({ brokerId: 1, host: "node-0", rack: null, dataDir: "/var/lib/varve" });
    expect(config.advertised.peerAddress).toBe("varve-0.varve-headless:7651");
    expect(config.cluster.seeds[0]).toBe(config.advertised.peerAddress);
    expect(settingsOfPod(objects, 11).brokerId).toBe(12);
  });

  test.each([
    { replicas: 0, seeds: 1 },
    { replicas: 1, seeds: 1 },
    { replicas: 3, seeds: 3 },
    { replicas: 5, seeds: 3 },
  ])("founds with $seeds of $replicas brokers", ({ replicas, seeds }) => {
    expect(at(settingsOf(render([], [`replicas=${replicas}`])), "cluster", "seeds")).toHaveLength(seeds);
  });

  test("restarts no pod when only the number of replicas changes, and all when a setting does", () => {
    const template = (set: string[]): unknown =>
      at(find(render([], set), "StatefulSet", "varve"), "spec", "template", "metadata");
    expect(template(["replicas=1"])).toEqual(template(["replicas=5"]));
    expect(template(["config.logLevel=debug"])).not.toEqual(template([]));
  });

  test("puts nothing into volume claims that a release changes", () => {
    const claims = at(
      find(render([]), "StatefulSet", "varve"),
      "spec",
      "volumeClaimTemplates",
      0,
      "metadata",
      "labels",
    );
    expect(Object.keys(claims as object)).toEqual(["app.kubernetes.io/name", "app.kubernetes.io/instance"]);
  });

  test("gives the gate and the stop the time that they may take", () => {
    for (const { values } of named) {
      const objects = render(values);
      const { terminationGracePeriodSeconds: graceSeconds = 0, containers } = podSpecs(objects).broker;
      const gateMs =
        at(containers[0], "lifecycle") === undefined
          ? 0
          : Number(at(settingsOf(objects), "ops", "stopGateMs") ?? 300_000);
      const stopMs = Number(at(settingsOf(objects), "shutdownGraceMs"));
      expect(graceSeconds * 1000).toBeGreaterThanOrEqual(gateMs + stopMs + 10_000);
    }
  });

  test.each(named)("leaves room in the memory for all that a broker may hold, with $name", ({ values }) => {
    const objects = render(values);
    const [container] = podSpecs(objects).broker.containers;
    const options = (at(container, "env") as { name: string; value?: string }[]).find(
      ({ name }) => name === "NODE_OPTIONS",
    );
    const heapMiB = Number(/--max-old-space-size=(\d+)$/.exec(options?.value ?? "")?.[1]);
    const memory = /^(\d+)([MG])i$/.exec(String(at(container, "resources", "limits", "memory"))) ?? [];
    const memoryMiB = Number(memory[1]) * (memory[2] === "G" ? 1024 : 1);
    expect(heapMiB + 64 + boundedBytes(settingsOfPod(objects, 0)) / 2 ** 20).toBeLessThanOrEqual(memoryMiB);
  });

  test.each([
    { memory: "1Gi", heapMiB: 384 },
    { memory: "1536Mi", heapMiB: 576 },
    { memory: "2.5Gi", heapMiB: 960 },
    { memory: "2000000000", heapMiB: 715 },
  ])("takes three eighths of $memory for the heap: $heapMiB MiB", ({ memory, heapMiB }) => {
    const set = [`resources.limits.memory=${memory}`, `resources.requests.memory=${memory}`];
    expect(renderText([], set)).toContain(`--max-old-space-size=${heapMiB}\n`);
  });

  test.each([
    { why: "too little memory for the bounds", set: ["resources.limits.memory=256Mi"], says: "may take 672 MiB" },
    { why: "a heap that leaves them no room", set: ["heapMiB=600"], says: "is 1024 MiB, but heapMiB (600)" },
    { why: "larger bounds", set: ["config.limits.responseBytesMax=536870912"], says: "may take 1344 MiB" },
    {
      why: "bounds that are not known",
      set: ["config.limits.responseBytesMax=null"],
      says: "responseBytesMax must be",
    },
    {
      why: "a grace that is over before the gate",
      set: ["stop.terminationGracePeriodSeconds=30"],
      says: "must be at least 370",
    },
    { why: "a gate that waits beyond the grace", set: ["config.ops.stopGateMs=900000"], says: "must be at least 970" },
  ])("refuses $why", ({ set, says }) => {
    expect(() => renderText([], set)).toThrow(says);
  });

  test("asks for no time for a gate that is off, and for that of a shorter one", () => {
    const grace = "stop.terminationGracePeriodSeconds";
    expect(() => renderText([], [`${grace}=70`, "stop.gate=false"])).not.toThrow();
    expect(() => renderText([], [`${grace}=72`, "config.ops.stopGateMs=2000"])).not.toThrow();
    expect(() => renderText([], [`${grace}=71`, "config.ops.stopGateMs=2000"])).toThrow("at least 72");
  });

  test.each([
    { why: "a value that does not exist", set: "replicaz=3", says: "replicaz" },
    { why: "a nested one", set: "storage.sise=1Gi", says: "sise" },
    { why: "a wrong type", set: "replicas=many", says: "replicas" },
    { why: "the tag latest", set: "image.tag=latest", says: "tag" },
    { why: "an identity for all brokers", set: "config.brokerId=1", says: "brokerId" },
    { why: "a setting that does not exist", set: "config.foo=1", says: "foo" },
    { why: "a setting with a mistyped name", set: "config.limits.inFlightBytesMaxx=1", says: "inFlightBytesMaxx" },
    { why: "a setting beyond its limits", set: "config.raft.heartbeatMs=1", says: "heartbeatMs" },
    { why: "a port that Services do not lead to", set: "config.listen.grpcPort=9000", says: "grpcPort" },
    { why: "certificates beside those of its values", set: "config.tls.certFile=x", says: "tls" },
    { why: "TLS without certificates", set: "tls.enabled=true", says: "tls.secretName" },
    { why: "external access without addresses", set: "external.enabled=true", says: "external.advertised" },
    {
      why: "a name that no Service can have",
      set: "nameOverride=1abc,fullnameOverride=1abc",
      says: "fullnameOverride",
    },
  ])("refuses $why", ({ set, says }) => {
    expect(() => renderText([], [set])).toThrow(says);
  });

  test.each(["a.b", "1abc"])("refuses the release %s, whose Services could not be made", (release) => {
    const args = ["--kube-version", "1.35.0"];
    expect(() => run("helm", ["template", release, CHART, ...args])).toThrow("set fullnameOverride");
    expect(run("helm", ["template", release, CHART, ...args, "--set", "fullnameOverride=logs"])).toContain(
      "logs-headless",
    );
  });

  test("takes settings that the broker takes", () => {
    const set = ["metrics.port=7653", "config.listen.metricsAddress=::", "config.topicDefaults.retentionBytes=-1"];
    const config = settingsOfPod(render([], set), 0);
    expect(config.topicDefaults.retentionBytes).toBe(-1);
    expect(config.listen.metricsAddress).toBe("::");
  });

  test("takes no cluster's id from an example, and neither do brokers", () => {
    const production = ["--values", `${CHART}/values-production.yaml`, "--kube-version", "1.35.0"];
    expect(() => run("helm", ["template", "varve", CHART, ...production])).toThrow(
      "peerTls.clusterId, a UUID of your own",
    );
    const own = "peerTls.clusterId=6f0f6f62-9c53-4f6e-8f0e-2f8f2a4d7c11";
    expect(run("helm", ["template", "varve", CHART, ...production, "--set", own])).toContain(
      "varve://cluster/6f0f6f62",
    );
    const [uri] = at(
      find(render(["values-production.yaml"]), "Certificate", "varve-peer-tls"),
      "spec",
      "uris",
    ) as string[];
    expect(uri).toContain(CLUSTER_URI);
    expect(clustersNamed(`URI:${uri}`)).toEqual([]);
  });

  test("has a schema in which every object says what it may hold", () => {
    const open: string[] = [];
    const walk = (schema: unknown, path: string): void => {
      const properties = at(schema, "properties") as Record<string, unknown> | undefined;
      if (properties === undefined) return;
      if (at(schema, "additionalProperties") !== false) open.push(path);
      for (const [name, part] of Object.entries(properties)) walk(part, `${path}.${name}`);
    };
    walk(JSON.parse(readFileSync(`${CHART}/values.schema.json`, "utf8")), "values");
    expect(open).toEqual([]);
  });

  test("has per-pod services for clients outside, each for its own broker", () => {
    const objects = render(["values-external-nodeport.yaml"]);
    const ports = [0, 1, 2].map((n) =>
      at(find(objects, "Service", `varve-${n}-external`), "spec", "ports", 0, "nodePort"),
    );
    expect(ports).toEqual([31650, 31651, 31652]);
    // One address for all brokers: the node that has it must pass on what is for a broker elsewhere.
    expect(at(find(objects, "Service", "varve-0-external"), "spec", "externalTrafficPolicy")).toBe("Cluster");
    const balanced = render(["values-external-lb.yaml"]);
    expect(at(find(balanced, "Service", "varve-0-external"), "spec", "externalTrafficPolicy")).toBe("Local");
    const told = ports.map((_, n) => settingsOfPod(objects, n).advertised.grpcAddress);
    expect(told).toEqual(["localhost:31650", "localhost:31651", "localhost:31652"]);
  });
});
