/**
 * make.mjs: writes the bases and overlays of this folder from the chart, for those who apply plain manifests: `npm run deploy:kustomize`.
 *
 *   base/                 the chart's default values, three brokers
 *   overlays/NAME/        what values-NAME.yaml changes: added.yaml, and a patch for each object that differs
 *
 * What only Helm runs is left out: its test, its guard before upgrades. A test compares what is built here with what the chart renders.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments, stringify } from "yaml";

const CHART = join(import.meta.dirname, "..", "helm", "varve");
/** What the chart's rendering depends on beside values; the tests render it likewise. */
const TEMPLATE_ARGS = JSON.parse(readFileSync(join(CHART, "..", "template-args.json"), "utf8"));
const OVERLAYS = ["quickstart", "production"];
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

function write(folder, name, content) {
  mkdirSync(join(OUT, folder), { recursive: true });
  writeFileSync(join(OUT, folder, name), HEAD + content);
}

function writeKustomization(folder, content) {
  write(
    folder,
    "kustomization.yaml",
    stringify({ apiVersion: "kustomize.config.k8s.io/v1beta1", kind: "Kustomization", ...content }, YAML),
  );
}

const base = render([]);
rmSync(join(OUT, "base"), { recursive: true, force: true });
for (const object of base) write("base", fileOf(object), stringify(object, YAML));
writeKustomization("base", { resources: base.map(fileOf) });

for (const name of OVERLAYS) {
  const folder = join("overlays", name);
  rmSync(join(OUT, folder), { recursive: true, force: true });
  const objects = new Map(render([`values-${name}.yaml`]).map((object) => [idOf(object), object]));
  const patches = [];
  for (const object of base) {
    const wanted = objects.get(idOf(object));
    objects.delete(idOf(object));
    if (wanted === undefined) throw new Error(`${name} lacks ${idOf(object)} of the base`);
    const operations = patch(object, wanted);
    if (operations.length === 0) continue;
    write(folder, fileOf(object), stringify(operations, YAML));
    patches.push({ path: fileOf(object), target: { kind: object.kind, name: `^${object.metadata.name}$` } });
  }
  if (objects.size > 0)
    write(folder, "added.yaml", [...objects.values()].map((object) => stringify(object, YAML)).join("---\n"));
  writeKustomization(folder, { resources: ["../../base", ...(objects.size > 0 ? ["added.yaml"] : [])], patches });
}
