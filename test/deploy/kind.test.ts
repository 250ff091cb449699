import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { CHART, DEPLOY } from "./tools.js";

const read = (path: string): unknown => parse(readFileSync(path, "utf8"));
const { external } = read(`${CHART}/values-external-nodeport.yaml`) as {
  readonly external: { readonly firstNodePort: number; readonly advertised: string };
};
const first = external.firstNodePort;
const ports = [first, first + 1, first + 2];
const ZONES = ["zone-a", "zone-b", "zone-c"];
const ZONE = "topology.kubernetes.io/zone";

interface Mapping {
  readonly containerPort: number;
  readonly hostPort: number;
  readonly listenAddress: string;
}
interface Kind {
  readonly nodes: readonly { readonly labels?: Record<string, string>; readonly extraPortMappings?: Mapping[] }[];
}
interface K3d {
  readonly agents: number;
  readonly ports: readonly { readonly port: string }[];
  readonly options: { readonly k3s: { readonly nodeLabels: readonly { readonly label: string }[] } };
}
const kind = read(`${DEPLOY}kind/cluster.yaml`) as Kind;
const k3d = read(`${DEPLOY}kind/k3d.yaml`) as K3d;

test("clients on the machine are told ports that kind and k3d map to the brokers'", () => {
  expect(external.advertised).toBe(`localhost:{ordinal+${first}}`);
  expect(kind.nodes.flatMap(({ extraPortMappings: mapped = [] }) => mapped)).toEqual(
    ports.map((port) => ({ containerPort: port, hostPort: port, listenAddress: "127.0.0.1" })),
  );
  const range = `${first}-${first + 2}`;
  expect(k3d.ports.map(({ port }) => port)).toEqual([`127.0.0.1:${range}:${range}`]);
});

test("kind and k3d have a node for brokers in each of three zones", () => {
  expect(kind.nodes.flatMap(({ labels }) => labels?.[ZONE] ?? [])).toEqual(ZONES);
  expect(k3d.agents).toBe(ZONES.length);
  expect(k3d.options.k3s.nodeLabels.map(({ label }) => label)).toEqual(ZONES.map((zone) => `${ZONE}=${zone}`));
});

test("the guide says for each of them where the brokers are, and promises minikube no port of the machine", () => {
  const rows = readFileSync(`${DEPLOY}kind/README.md`, "utf8").match(/^\| (?:kind|minikube)\b.*$/gm) ?? [];
  const naming = rows.filter((row) => ports.some((port) => row.includes(`localhost:${port}`)));
  expect(naming).toHaveLength(1);
  expect(naming[0]).toMatch(/^\| kind, k3d \|/);
});
