/** components.test.ts: the kustomize components, in overlays such as a user writes. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { type KubeObject, objectsOf, render } from "./chart.js";
import { conform } from "./conform.js";
import { comparable, KUSTOMIZE } from "./kustomize.js";
import { broken } from "./policy.js";
import { DEPLOY, lacks, run } from "./tools.js";

let folder = "";
let count = 0;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "varve-components-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Builds a kustomization whose paths begin at kustomize/. */
function build(kustomization: Readonly<Record<string, unknown>>): string {
  const own = join(folder, String(count++));
  mkdirSync(own);
  const here = (path: string): string => relative(own, join(KUSTOMIZE, path));
  const paths = Object.fromEntries(
    ["resources", "components"].map((list) => [list, ((kustomization[list] ?? []) as string[]).map(here)]),
  );
  writeFileSync(join(own, "kustomization.yaml"), stringify({ ...kustomization, ...paths }));
  return run("kubectl", ["kustomize", own]);
}

const overlay = (base: string, ...components: string[]): string =>
  build({
    apiVersion: "kustomize.config.k8s.io/v1beta1",
    kind: "Kustomization",
    resources: [base],
    components: components.map((name) => `components/${name}`),
  });
const example = parse(readFileSync(`${DEPLOY}keda/scaledobject.yaml`, "utf8")) as KubeObject;
const withExample = (objects: readonly KubeObject[]): Record<string, unknown> => ({
  ...comparable(objects),
  "ScaledObject/billing": { ...example, metadata: { ...example.metadata, labels: {} } },
});

describe.skipIf(lacks("helm") || lacks("kubectl"))("components", () => {
  test.each([
    { base: "base", components: ["monitoring"], values: ["monitoring"] },
    { base: "base", components: ["tls"], values: ["tls"] },
    { base: "base", components: ["tls", "monitoring"], values: ["tls", "monitoring"] },
    { base: "overlays/quickstart", components: ["monitoring"], values: ["quickstart", "monitoring"] },
  ])("$components over $base are what the chart renders with values $values", ({ base, components, values }) => {
    const text = overlay(base, ...components);
    const built = objectsOf(text);
    expect(comparable(built)).toEqual(comparable(render(values.map((name) => `values-${name}.yaml`))));
    expect(broken(built)).toEqual([]);
  });

  test("keda adds its example, beside all others", () => {
    const built = objectsOf(overlay("base", "keda", "tls", "monitoring"));
    const wanted = withExample(render(["values-tls.yaml", "values-monitoring.yaml"]));
    expect(comparable(built)).toEqual(wanted);
  });

  test.skipIf(lacks("kubeconform"))("build what Kubernetes and the operators take", () => {
    expect(conform("v1.35", overlay("base", "keda", "tls", "monitoring"))).toEqual({ ok: true, said: "" });
  });

  test("tls does not take the place of settings that are not the base's", () => {
    expect(() => overlay("overlays/quickstart", "tls")).toThrow(/broker\.yaml/);
  });

  test("are listed in the overlay that the guide shows, which builds", () => {
    const [shown = ""] =
      /(?<=```yaml\n)[^`]*kind: Kustomization[^`]*(?=```)/.exec(readFileSync(`${DEPLOY}README.md`, "utf8")) ?? [];
    const text = shown.replaceAll("deploy/kustomize/", "");
    const objects = objectsOf(build(parse(text) as Record<string, unknown>));
    expect(objects.map(({ kind }) => kind)).toEqual(expect.arrayContaining(["StatefulSet", "PrometheusRule"]));
    expect(broken(objects)).toEqual([]);
  });
});
