/** chart-zones.test.ts: how brokers get to know their zone, on nodes of any Kubernetes, and how they are spread over zones. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfigFile } from "@varve/broker/node";
import { createAuthority } from "@varve/testing";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { at, find, render, renderText, settingsOf } from "./chart.js";
import { broken, podSpecs } from "./policy.js";
import { DEPLOY, lacks } from "./tools.js";

const IN_POD = "/var/run/varve/rack/zone";
const TOKEN = "a token";

describe.skipIf(lacks("helm"))("rack.fromNode", () => {
  const set = ["rack.fromNode=true"];

  test("gives the zone's file of one container to the other, and the token to the first alone", () => {
    const objects = render([], set);
    expect(broken(objects)).toEqual([]);
    const { initContainers = [], containers, volumes = [] } = podSpecs(objects).broker;
    const mounts = (container: unknown): unknown =>
      (at(container, "volumeMounts") as { name: string }[]).map(({ name }) => name);
    expect(initContainers).toHaveLength(1);
    expect(mounts(initContainers[0])).toEqual(["rack", "kubernetes"]);
    expect(at(initContainers[0], "command")).toEqual(expect.arrayContaining(["/app/node-zone.mjs", IN_POD]));
    expect(at(settingsOf(objects), "rackFile")).toBe(IN_POD);
    expect(mounts(containers[0])).not.toContain("kubernetes");
    expect(volumes.find(({ name }) => name === "kubernetes")).toHaveProperty("projected");
  });

  test("lets the brokers' account see nodes, and nothing else", () => {
    const objects = render([], set);
    expect(find(objects, "ClusterRole", "varve-varve-nodes")["rules"]).toEqual([
      { apiGroups: [""], resources: ["nodes"], verbs: ["get"] },
    ]);
    expect(find(objects, "ClusterRoleBinding", "varve-varve-nodes")["subjects"]).toEqual([
      { kind: "ServiceAccount", name: "varve", namespace: "varve" },
    ]);
    expect(render([]).map(({ kind }) => kind)).not.toContain("ClusterRole");
  });
});

describe.skipIf(lacks("helm"))("three zones", () => {
  test("are waited for, so that no two brokers share one of two", () => {
    const [constraint] = podSpecs(render(["values-three-zones.yaml"])).broker["topologySpreadConstraints"] as unknown[];
    expect(constraint).toMatchObject({ minDomains: 3, whenUnsatisfiable: "DoNotSchedule" });
    expect(() => renderText([], ["placement.minZones=3"])).toThrow("spreadZones: hard");
  });
});

describe("node-zone.mjs", () => {
  let folder: string;
  let server: Server;
  let status = 200;
  let labels: Record<string, string> | undefined;
  const asked: string[] = [];
  const file = (name: string): string => join(folder, name);

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "varve-zone-"));
    const authority = await createAuthority("kubernetes");
    const { cert, key } = await authority.issue({
      name: "api",
      dnsNames: ["localhost"],
      notAfter: new Date(Date.now() + 3_600_000),
    });
    writeFileSync(file("ca.crt"), authority.cert);
    writeFileSync(file("token"), TOKEN);
    server = createServer({ cert, key }, ({ url, headers }, response) => {
      asked.push(`${url} ${headers.authorization}`);
      response.writeHead(status).end(JSON.stringify({ metadata: { labels } }));
    }).listen(0, "localhost");
    await once(server, "listening");
  });
  afterAll(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });
  beforeEach(() => rmSync(file("zone"), { force: true }));

  async function start(): Promise<{ code: number; said: string }> {
    const child = spawn(process.execPath, [`${DEPLOY}image/node-zone.mjs`, file("token"), file("zone")], {
      env: {
        NODE_NAME: "node-0",
        NODE_EXTRA_CA_CERTS: file("ca.crt"),
        KUBERNETES_SERVICE_HOST: "localhost",
        KUBERNETES_SERVICE_PORT: String((server.address() as AddressInfo).port),
      },
    });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
    const [code] = (await once(child, "close")) as [number];
    return { code, said };
  }
  /** The rack that a broker takes from the file. */
  const rack = (): string | null =>
    loadConfigFile(null, { VARVE_BROKER_ID: "1", VARVE_CLUSTER_SEEDS: "a:1", VARVE_RACK_FILE: file("zone") }).rack;

  test("asks for the pod's node, with its token, and leaves the zone to the broker", async () => {
    labels = { "topology.kubernetes.io/zone": "eu-1a" };
    expect(await start()).toEqual({ code: 0, said: "node node-0: zone eu-1a\n" });
    expect(asked.at(-1)).toBe(`/api/v1/nodes/node-0 Bearer ${TOKEN}`);
    expect(rack()).toBe("eu-1a");
  });

  test("leaves no rack where the node has no zone", async () => {
    labels = undefined;
    expect((await start()).code).toBe(0);
    expect(rack()).toBeNull();
  });

  test("fails where it is not told, unless an earlier start was", async () => {
    status = 403;
    expect(await start()).toEqual({ code: 1, said: expect.stringContaining("status 403") });
    expect(existsSync(file("zone"))).toBe(false);
    writeFileSync(file("zone"), "eu-1b");
    expect((await start()).code).toBe(0);
    expect(readFileSync(file("zone"), "utf8")).toBe("eu-1b");
    status = 200;
  });
});
