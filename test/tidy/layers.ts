/**
 * layers.ts: who may import whom. The one table: the rules read it, packages/README.md prints it.
 *
 * Source: the layering of packages/README.md; a package imports only what stands below it, so the graph has no cycle.
 */

/** A package's folder -> the folders that its shipped code may import. A package stands below every package that names it. */
export const LAYERS: Readonly<Record<string, readonly string[]>> = {
  base: [],
  raft: [],
  records: ["base"],
  storage: ["base", "records"],
  peer: ["base"],
  cluster: ["base"],
  groups: ["base"],
  rpc: ["base"],
  broker: ["base", "raft", "records", "storage", "peer", "cluster", "groups", "rpc"],
  client: ["base", "records", "rpc"],
  testing: ["base", "broker", "client", "peer", "storage"],
  cli: ["base", "broker", "client", "testing"],
  examples: ["client"],
};

/** Packages whose npm name is not `@varve/<folder>`. */
const FOLDER_OF: Readonly<Record<string, string>> = { "raft-ts": "raft", varve: "cli" };

/** What a module name asks for, when it names a package of this repository; null for any other. */
export function packageOfModule(module: string): { readonly folder: string; readonly entry: string } | null {
  const [, name, entry = ""] = /^(@varve\/[^/]+|[^@./][^/]*)(\/.*)?$/.exec(module) ?? [];
  if (name === undefined) return null;
  const folder = name.startsWith("@varve/") ? name.slice("@varve/".length) : FOLDER_OF[name];
  return folder === undefined ? null : { folder, entry };
}

/** The folder of the package that a path lies in; null outside packages/. */
export function packageOfPath(path: string): string | null {
  return /^packages\/([^/]+)\//.exec(path)?.[1] ?? null;
}

/** Tests, simulations and benchmarks: what is built on packages and never shipped with one. */
export const isTest = (path: string): boolean => path.endsWith(".test.ts") || /^(?:test|bench)\//.test(path);

/** What serves tests: simulated adapters, and the test cluster. */
export const isTesting = (path: string): boolean =>
  /\/src\/testing\//.test(path) || path.startsWith("packages/testing/");

/** Code that nobody wrote by hand. */
export const isGenerated = (path: string): boolean => path.startsWith("packages/rpc/src/gen/");

/** The graph as packages/README.md prints it: one line a package, `name -> what it may import`. */
export function printedLayers(): string {
  const width = Math.max(...Object.keys(LAYERS).map((name) => name.length));
  const lines = Object.entries(LAYERS).map(([name, below]) =>
    `${name.padEnd(width)} -> ${below.length === 0 ? "nothing" : below.join(", ")}`.trimEnd(),
  );
  return lines.join("\n");
}
