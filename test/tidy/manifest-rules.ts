/** manifest-rules.ts: rules of packages: what they depend on, what they export, how they are built. Pure: from manifests to what is broken. */
import { ENTRIES } from "./import-rules.js";
import { LAYERS } from "./layers.js";

export interface Manifest {
  readonly name?: string;
  readonly version?: string;
  readonly license?: string;
  readonly engines?: Readonly<Record<string, string>>;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly exports?: Readonly<Record<string, unknown>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

/** One package.json: its path from the repository's root, and what it says. */
export interface Package {
  readonly path: string;
  readonly json: Manifest;
}

/** npm names of this repository's packages, by folder. */
const NAMES: Readonly<Record<string, string>> = Object.fromEntries(
  Object.keys(LAYERS).map((folder) => [
    folder,
    folder === "raft" ? "raft-ts" : folder === "cli" ? "varve" : `@varve/${folder}`,
  ]),
);
const OWN = new Set(Object.values(NAMES));
/** Run by npm without being asked; only the root may build at install. */
const INSTALL_SCRIPTS: readonly string[] = ["prepare", "preinstall", "install", "postinstall", "prepublish"];

const folderOf = (path: string): string => path.split("/")[1] ?? "";

/** A package depends on its layer's packages, in this repository's own version, and on nothing above. */
export function brokenLayers({ path, json }: Package): string[] {
  const allowed = new Set((LAYERS[folderOf(path)] ?? []).map((folder) => NAMES[folder]));
  return Object.entries(json.dependencies ?? {}).flatMap(([name, version]) => {
    if (!OWN.has(name)) return [];
    if (!allowed.has(name)) return [`${path}: may not depend on ${name}`];
    return version === json.version ? [] : [`${path}: ${name} ${version} is not the version of this repository`];
  });
}

/** Each package from outside, needed at run time or by tests only, has its reason in the guide's table of dependencies. */
export function unjustified({ path, json }: Package, guide: string): string[] {
  const table = guide.split("\n").filter((line) => line.startsWith("|"));
  return Object.keys({ ...json.dependencies, ...json.devDependencies })
    .filter((name) => !OWN.has(name) && !table.some((line) => line.includes(`\`${name}\``)))
    .map((name) => `${path}: ${name} has no line in the dependencies of packages/README.md`);
}

/** Only entries that a reader can remember; no pattern through which a path could be reached. */
export function deepExports({ path, json }: Package): string[] {
  if (json.exports === undefined) return [`${path}: no exports, so every file could be imported`];
  return Object.keys(json.exports)
    .filter((entry) => !ENTRIES.includes(entry.replace(/^\./, "")))
    .map((entry) => `${path}: ${entry} is no entry`);
}

export function installScripts({ path, json }: Package): string[] {
  return INSTALL_SCRIPTS.filter((script) => json.scripts?.[script] !== undefined).map((script) => `${path}: ${script}`);
}

/** What a package says of itself; every package of this repository says the same. */
export function unlabelled({ path, json }: Package): string[] {
  const broken: string[] = [];
  if (json.name !== NAMES[folderOf(path)]) broken.push(`${path}: the name is not ${NAMES[folderOf(path)]}`);
  if (json.license !== "Apache-2.0") broken.push(`${path}: the licence is not Apache-2.0`);
  if (json.engines?.["node"] !== ">=20.19") broken.push(`${path}: engines.node is not >=20.19`);
  return broken;
}

/** Files of a package that import what its package.json does not name: `imports` are names with the place that imports each. */
export function undeclared(
  { path, json }: Package,
  root: Manifest,
  imports: readonly { readonly name: string; readonly at: string }[],
): string[] {
  const isTestFile = (at: string): boolean => at.includes(".test.ts:") || at.includes("/scripts/");
  return imports
    .filter(({ name, at }) => {
      if (json.dependencies?.[name] !== undefined) return false;
      const forTests = { ...root.devDependencies, ...json.devDependencies };
      return !(isTestFile(at) && forTests[name] !== undefined);
    })
    .map(({ name, at }) => `${at}: ${name} is not in ${path}`);
}
