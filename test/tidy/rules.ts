/** rules.ts: what holds for all code here. Each rule says what breaks it, as `path:line what`; none broken = empty. */
import { importsOf, matches, type Source } from "./source.js";

/** Who may import whom (packages/README.md): a package's own folder name -> the packages below it. */
export const LAYERS: Readonly<Record<string, readonly string[]>> = {
  base: [],
  raft: [],
  records: ["base"],
  storage: ["base", "records"],
  peer: ["base"],
  cluster: ["base"],
  rpc: ["base"],
  broker: ["base", "raft", "records", "storage", "peer", "cluster", "rpc"],
  client: ["base", "records", "rpc"],
  testing: ["base", "broker", "client", "peer", "storage"],
  cli: ["base", "broker", "client", "testing"],
  examples: ["client"],
};

const FOLDER_OF: Readonly<Record<string, string>> = { "raft-ts": "raft", varve: "cli" };
const LINES_MAX = 800;

/** The folder of the package that a path or a module name belongs to; null for others. */
function packageOfPath(path: string): string | null {
  return /^packages\/([^/]+)\//.exec(path)?.[1] ?? null;
}

function packageOfModule(name: string): { readonly folder: string; readonly entry: string } | null {
  const scoped = /^@varve\/([a-z]+)(\/.*)?$/.exec(name);
  if (scoped?.[1] !== undefined) return { folder: scoped[1], entry: scoped[2] ?? "" };
  const plain = /^(raft-ts|varve)(\/.*)?$/.exec(name);
  return plain?.[1] === undefined ? null : { folder: FOLDER_OF[plain[1]] ?? plain[1], entry: plain[2] ?? "" };
}

const isTest = (path: string): boolean => path.endsWith(".test.ts") || !path.startsWith("packages/");
const isTesting = (path: string): boolean => /\/src\/testing\//.test(path) || path.startsWith("packages/testing/");
/** Real adapters, and the packages that are a process's outermost shell. */
const touchesTheWorld = (path: string): boolean =>
  /\/src\/node\//.test(path) || /^packages\/(?:cli|examples)\//.test(path);

export type Rule = (source: Source) => string[];

export const RULES: Readonly<Record<string, Rule>> = {
  "imports point down only, through package entries": (source) => {
    const from = packageOfPath(source.path);
    const broken: string[] = [];
    for (const { from: module, at } of importsOf(source)) {
      const target = packageOfModule(module);
      if (target === null) {
        if (/(^|\/)packages\/|\.\.\/\.\.\/\.\.\/[a-z]+\/src/.test(module))
          broken.push(`${at} reaches into another package: ${module}`);
        continue;
      }
      if (!["", "/node", "/testing"].includes(target.entry)) broken.push(`${at} imports past the entry: ${module}`);
      const mayTest = isTest(source.path) || isTesting(source.path);
      if (target.entry === "/testing" && !mayTest) broken.push(`${at} shipped code imports ${module}`);
      if (from === null || from === target.folder || mayTest) continue;
      if (!LAYERS[from]?.includes(target.folder)) broken.push(`${at} ${from} may not import ${module}`);
    }
    return broken;
  },
  "only rpc imports gRPC": (source) =>
    importsOf(source)
      .filter(({ from }) => /^(?:@grpc\/|grpc-)/.test(from))
      .filter(() => packageOfPath(source.path) !== "rpc" && !source.path.startsWith("bench/"))
      .map(({ from, at }) => `${at} ${from}`),
  "the world is reached through ports": (source) => {
    if (isTest(source.path) || isTesting(source.path) || touchesTheWorld(source.path)) return [];
    const modules = importsOf(source)
      .filter(({ from }) => from.startsWith("node:"))
      .map(({ from, at }) => `${at} ${from}`);
    const globals =
      /(?<![.\w])(?:Date\b|performance\b|Math\.random\b|setTimeout\b|setInterval\b|setImmediate\b|process\.)/;
    return [...modules, ...matches(source, globals)];
  },
  "services are implemented in the broker only": (source) =>
    packageOfPath(source.path) === "broker" ||
    packageOfPath(source.path) === "rpc" ||
    isTest(source.path) ||
    isTesting(source.path)
      ? []
      : matches(source, /\badd(?:Log|Admin)Service\s*\(/),
  "a file begins with what it is for": (source) =>
    source.path.endsWith(".test.ts") || /^(?:#!.*\n)?\s*\/\*\*/.test(source.text)
      ? []
      : [`${source.path}:1 has no header comment`],
  "no test is skipped or alone": (source) => matches(source, /\b(?:test|it|describe)\.(?:only|skip|todo)\b/),
  "shipped code does not print": (source) =>
    isTest(source.path) || /^packages\/(?:cli|examples)\//.test(source.path) ? [] : matches(source, /\bconsole\./),
  "no type check is silenced": (source) => [
    ...matches(source, /(?::\s*any\b|\bas any\b|<any>)/),
    // A test may expect a type error: that is what it tests.
    ...[
      ...source.text.matchAll(
        isTest(source.path) ? /@ts-(?:ignore|nocheck)/g : /@ts-(?:ignore|expect-error|nocheck)|biome-ignore/g,
      ),
    ].map(({ 0: found }) => `${source.path} ${found}`),
  ],
  "files stay short": (source) => {
    const lines = source.text.split("\n").length;
    return lines > LINES_MAX && !source.path.includes("/gen/") ? [`${source.path} has ${lines} lines`] : [];
  },
};
