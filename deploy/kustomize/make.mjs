/**
 * make.mjs: writes the bases, overlays and components of this folder from the chart, for those who apply plain manifests: `npm run deploy:kustomize`.
 *
 *   base/                 the chart's default values, three brokers
 *   overlays/NAME/        what values-NAME.yaml changes: added.yaml, and a patch for each object that differs
 *   components/NAME/      the same as a Component, for an overlay of one's own over base/; where a patch puts one text for another (the brokers'
 *                         settings), it first asks for the base's: over other settings the build fails, and none are lost
 *   components/keda/      the example of ../keda, for an overlay of the consumers
 *
 * What only Helm runs is left out: its test, its guard before upgrades. A test compares what is built here with what the chart renders.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, parseAllDocuments, stringify } from "yaml";

const CHART = join(import.meta.dirname, "..", "helm", "varve");
/** What the chart's rendering depends on beside values; the tests render it likewise. */
const TEMPLATE_ARGS = JSON.parse(readFileSync(join(CHART, "..", "template-args.json"), "utf8"));
const OVERLAYS = ["quickstart", "production"];
const COMPONENTS = ["monitoring", "tls"];
const KEDA_EXAMPLE = join(CHART, "..", "..", "keda", "scaledobject.yaml");
const KEDA_HEAD = "# Made from deploy/keda/scaledobject.yaml, which explains it, by npm run deploy:kustomize.\n";
const KUSTOMIZATION = { apiVersion: "kustomize.config.k8s.io/v1beta1", kind: "Kustomization" };
const COMPONENT = { apiVersion: "kustomize.config.k8s.io/v1alpha1", kind: "Component" };
const HEAD = "# Made from the chart by npm run deploy:kustomize.\n";
const YAML = { lineWidth: 0, aliasDuplicateObjects: false };

/** Where to write; a test writes elsewhere and compares. */
const OUT = process.argv[2] ?? import.meta.dirname;

function render(values) {
  const args = [
    "template",
    "varve",
    CHART,
    ...TEMPLATE_ARGS,
    ...values.flatMap((name) => ["--values", join(CHART, name)]),
  ];
  return parseAllDocuments(execFileSync("helm", args, { encoding: "utf8" }))
    .map((document) => document.toJS())
    .filter((object) => object !== null && object.metadata.annotations?.["helm.sh/hook"] === undefined)
    .map(withoutHelm);
}

/** Labels that say who installed an object would be wrong here. */
function withoutHelm(object) {
  const { "helm.sh/chart": _, "app.kubernetes.io/managed-by": __, ...labels } = object.metadata.labels;
  return { ...object, metadata: { ...object.metadata, labels } };
}

const idOf = ({ kind, metadata }) => `${kind}/${metadata.name}`;
const fileOf = ({ kind, metadata }) => `${kind.toLowerCase()}-${metadata.name}.yaml`;
const escaped = (key) => String(key).replaceAll("~", "~0").replaceAll("/", "~1");
const isMap = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** The operations of a JSON patch (RFC 6902) that make `to` of `from`. */
function patch(from, to, path = "") {
  if (JSON.stringify(from) === JSON.stringify(to)) return [];
  if (isMap(from) && isMap(to)) {
    return [
      ...Object.keys(from).flatMap((key) =>
        key in to
          ? patch(from[key], to[key], `${path}/${escaped(key)}`)
          : [{ op: "remove", path: `${path}/${escaped(key)}` }],
      ),
      ...Object.keys(to).flatMap((key) =>
        key in from ? [] : [{ op: "add", path: `${path}/${escaped(key)}`, value: to[key] }],
      ),
    ];
  }
  if (Array.isArray(from) && Array.isArray(to) && from.length <= to.length) {
    return [
      ...from.flatMap((item, index) => patch(item, to[index], `${path}/${index}`)),
      ...to.slice(from.length).map((value) => ({ op: "add", path: `${path}/-`, value })),
    ];
  }
  return [{ op: "replace", path, value: to }];
}

function write(folder, name, content, head = HEAD) {
  mkdirSync(join(OUT, folder), { recursive: true });
  writeFileSync(join(OUT, folder, name), head + content);
}

function writeKustomization(folder, content, head = HEAD) {
  write(folder, "kustomization.yaml", stringify(content, YAML), head);
}

/** Asks for each text of several lines that is replaced. */
function guarded(object, operations) {
  return operations.flatMap((operation) => {
    if (operation.op !== "replace" || !String(operation.value).includes("\n")) return [operation];
    const parts = operation.path.split("/").slice(1);
    const value = parts.reduce((part, key) => part[key.replaceAll("~1", "/").replaceAll("~0", "~")], object);
    return [{ op: "test", path: operation.path, value }, operation];
  });
}

/** Writes what values-NAME.yaml changes of the base: files, and what its kustomization lists. */
function writeChanges(folder, name, isComponent) {
  const objects = new Map(render([`values-${name}.yaml`]).map((object) => [idOf(object), object]));
  const patches = [];
  for (const object of base) {
    const wanted = objects.get(idOf(object));
    objects.delete(idOf(object));
    if (wanted === undefined) throw new Error(`${name} lacks ${idOf(object)} of the base`);
    const operations = patch(object, wanted);
    if (operations.length === 0) continue;
    write(folder, fileOf(object), stringify(isComponent ? guarded(object, operations) : operations, YAML));
    patches.push({ path: fileOf(object), target: { kind: object.kind, name: `^${object.metadata.name}$` } });
  }
  const added = [...objects.values()].map((object) => stringify(object, YAML));
  if (added.length > 0) write(folder, "added.yaml", added.join("---\n"));
  return { resources: added.length > 0 ? ["added.yaml"] : [], patches };
}

for (const folder of ["base", "overlays", "components"]) rmSync(join(OUT, folder), { recursive: true, force: true });

const base = render([]);
for (const object of base) write("base", fileOf(object), stringify(object, YAML));
writeKustomization("base", { ...KUSTOMIZATION, resources: base.map(fileOf) });

for (const name of OVERLAYS) {
  const folder = join("overlays", name);
  const { resources, patches } = writeChanges(folder, name, false);
  writeKustomization(folder, { ...KUSTOMIZATION, resources: ["../../base", ...resources], patches });
}

for (const name of COMPONENTS) {
  const folder = join("components", name);
  const { resources, patches } = writeChanges(folder, name, true);
  const lists = Object.entries({ resources, patches }).filter(([, list]) => list.length > 0);
  writeKustomization(folder, { ...COMPONENT, ...Object.fromEntries(lists) });
}

const keda = join("components", "keda");
write(keda, "scaledobject.yaml", stringify(parse(readFileSync(KEDA_EXAMPLE, "utf8")), YAML), KEDA_HEAD);
writeKustomization(keda, { ...COMPONENT, resources: ["scaledobject.yaml"] }, KEDA_HEAD);
