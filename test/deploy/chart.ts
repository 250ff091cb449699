/**
 * chart.ts: renders the chart as `helm install varve --namespace varve` would, and reads what comes out.
 */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, parseAllDocuments } from "yaml";
import { CHART, run } from "./tools.js";

/**
 * Without these, names in the text would depend on the folder of a cluster's credentials; kustomize/make.mjs renders likewise. The cluster's id is
 * one that brokers refuse: manifests are nobody's cluster until they are given one.
 */
const TEMPLATE_ARGS = JSON.parse(readFileSync(`${CHART}/../template-args.json`, "utf8")) as readonly string[];

/** A Kubernetes object, as parsed. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly [part: string]: unknown;
}

/** Combinations of values files that are rendered and judged; the first is the chart's defaults. */
export const VALUES: readonly (readonly string[])[] = [
  [],
  ...readdirSync(CHART)
    .filter((name) => /^values-.*\.yaml$/.test(name))
    .sort()
    .map((name) => [name]),
  ["values-production.yaml", "values-three-zones.yaml"],
  ["values-production.yaml", "values-external-lb.yaml"],
];

/** The rendered chart as YAML text. `set`: single values, as `--set` takes them; `further`: arguments that win over the usual ones. */
export function renderText(
  values: readonly string[],
  set: readonly string[] = [],
  chart = CHART,
  further: readonly string[] = [],
): string {
  const files = values.flatMap((name) => ["--values", `${CHART}/${name}`]);
  const single = set.flatMap((assignment) => ["--set", assignment]);
  return run("helm", ["template", "varve", chart, ...TEMPLATE_ARGS, ...files, ...single, ...further]);
}

export function render(values: readonly string[], set: readonly string[] = []): KubeObject[] {
  return objectsOf(renderText(values, set));
}

/** What a cluster has, by kind, as `lookup` gives it. */
export type There = Readonly<Record<string, unknown>>;

/**
 * As `helm upgrade` renders the chart where these objects are there. Helm asks nobody while it only renders, so a copy of the chart looks for them in
 * files.
 */
export function renderIn(there: There, values: readonly string[], set: readonly string[] = []): KubeObject[] {
  const folder = mkdtempSync(join(tmpdir(), "varve-lookup-"));
  try {
    cpSync(CHART, folder, { recursive: true });
    const templates = readdirSync(join(folder, "templates"), { recursive: true, encoding: "utf8" });
    for (const name of templates.filter((path) => /\.(?:yaml|tpl)$/.test(path))) {
      const path = join(folder, "templates", name);
      const asked = /\(lookup "[^"]+" "(\w+)" [^()]*\)/g;
      const answer = '(.Files.Get "files/there/$1.json" | default "{}" | fromJson)';
      writeFileSync(path, readFileSync(path, "utf8").replaceAll(asked, answer));
    }
    mkdirSync(join(folder, "files", "there"));
    for (const [kind, object] of Object.entries(there))
      writeFileSync(join(folder, "files", "there", `${kind}.json`), JSON.stringify(object));
    return objectsOf(renderText(values, set, folder));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export function objectsOf(text: string): KubeObject[] {
  return parseAllDocuments(text)
    .map((document) => document.toJS() as KubeObject | null)
    .filter((object) => object !== null);
}

/** The only object of this kind and name. */
export function find(objects: readonly KubeObject[], kind: string, name: string): KubeObject {
  const found = objects.filter((object) => object.kind === kind && object.metadata.name === name);
  if (found.length !== 1 || found[0] === undefined) throw new Error(`${found.length} objects are ${kind}/${name}`);
  return found[0];
}

/** The part at `path` of an object; undefined where there is none. */
export function at(object: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((part, key) => (part as Record<string | number, unknown> | undefined)?.[key], object);
}

/** Memory outside the heap that a broker with these settings may take beside Node.js itself, bytes. */
export function boundedBytes({ limits }: { readonly limits: Readonly<Record<string, number>> }): number {
  const bounds = ["inFlight", "response", "unfinishedRequest", "tailCache", "undrained"];
  return bounds.reduce((sum, name) => sum + (limits[`${name}BytesMax`] ?? Number.NaN), 0);
}

/** The settings file of brokers that the chart makes, as text. */
export function settingsText(objects: readonly KubeObject[]): string {
  return String(at(find(objects, "ConfigMap", "varve"), "data", "broker.yaml"));
}

export function settingsOf(objects: readonly KubeObject[]): unknown {
  return parse(settingsText(objects));
}
