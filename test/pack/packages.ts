/** packages.ts: which packages are published: their folders, and what their manifests say. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface PackageManifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly dependencies?: Readonly<Record<string, string>>;
}

export interface PublishedPackage {
  /** Absolute path. */
  readonly folder: string;
  readonly manifest: PackageManifest;
}

/** What users name in their own package.json; the others come along as what these need. */
export const PUBLIC_PACKAGES: readonly string[] = ["varve", "@varve/client", "@varve/testing", "raft-ts"];

/** All workspaces but the private ones, in the order in which they are built. */
export function publishedPackages(root: string): PublishedPackage[] {
  const { workspaces } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    readonly workspaces: readonly string[];
  };
  return workspaces
    .map((path) => ({ folder: join(root, path), manifest: manifestIn(join(root, path)) }))
    .filter(({ manifest }) => manifest.private !== true);
}

export function manifestIn(folder: string): PackageManifest {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as PackageManifest;
}

/** Everything that can be imported from a package: `@varve/base`, `@varve/base/node`, ... */
export function entriesOf({ name, exports }: PackageManifest): string[] {
  return Object.keys(exports).map((entry) => name + entry.slice(1));
}

/** A package and all that it needs of this repository, by npm name. */
export function withNeeds(name: string, all: readonly PackageManifest[]): Set<string> {
  const needed = new Set<string>();
  const add = (wanted: string): void => {
    const manifest = all.find((candidate) => candidate.name === wanted);
    if (manifest === undefined || needed.has(wanted)) return;
    needed.add(wanted);
    for (const dependency of Object.keys(manifest.dependencies ?? {})) add(dependency);
  };
  add(name);
  return needed;
}
