/**
 * pack.test.ts: what the tarballs hold, without installing them; test/ci/packages.test.ts installs them.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { importsOf, matches, sourceOf } from "../tidy/source.js";
import { packAll, type Tarball } from "./pack.js";
import { manifestIn, type PackageManifest, PUBLIC_PACKAGES, withNeeds } from "./packages.js";
import { run } from "./run.js";
import { stage } from "./stage.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const RUN_MS = 20_000;
const PACKED_BYTES_MAX = 256 * 1024;

interface Unpacked {
  readonly tarball: Tarball;
  readonly folder: string;
  readonly manifest: PackageManifest;
}

let temp: string;
let packages: readonly Unpacked[];

beforeAll(async () => {
  temp = mkdtempSync(join(tmpdir(), "varve-pack-test-"));
  const tarballs = await packAll(ROOT, join(temp, "tarballs"));
  packages = await Promise.all(
    tarballs.map(async (tarball) => {
      const folder = join(temp, tarball.name.replace("/", "-"));
      mkdirSync(folder);
      await run("tar", ["-xzf", tarball.file, "--strip-components", "1"], { cwd: folder, timeoutMs: RUN_MS });
      return { tarball, folder, manifest: manifestIn(folder) };
    }),
  );
});
afterAll(() => rmSync(temp, { recursive: true, force: true }));

/** Files of all entries, as the manifest names them; conditions may nest. */
function targetsOf(exported: unknown): string[] {
  if (typeof exported === "string") return [exported];
  return Object.values(exported as Readonly<Record<string, unknown>>).flatMap(targetsOf);
}

/** What the compiled file `path` names from outside its package: `path:line: name`. */
function undeclared({ tarball, folder, manifest }: Unpacked, path: string): string[] {
  const source = sourceOf(`${tarball.name}/${path}`, readFileSync(join(folder, path), "utf8"));
  const imports = importsOf(source);
  const imported = imports.filter(({ module }) => !module.startsWith(".") && !isBuiltin(module));
  const names = imported.map(({ module, at }) => [module.split("/", module.startsWith("@") ? 2 : 1).join("/"), at]);
  const speaksOfNode = matches(source, /\b(?:Buffer|NodeJS)\b/).length > 0;
  const needsNodeTypes = speaksOfNode || imports.some(({ module }) => isBuiltin(module));
  if (path.endsWith(".d.ts") && needsNodeTypes) names.push(["@types/node", source.path]);
  return names.flatMap(([name = "", at]) => (manifest.dependencies?.[name] === undefined ? [`${at}: ${name}`] : []));
}

test("every public package is packed, with all that it needs and nothing else", () => {
  const manifests = packages.map(({ manifest }) => manifest);
  const needed = new Set(PUBLIC_PACKAGES.flatMap((name) => [...withNeeds(name, manifests)]));
  const packed = new Set(manifests.map(({ name }) => name));
  expect(packed).toEqual(needed);
  expect(withNeeds("@varve/client", manifests)).toEqual(
    new Set(["@varve/client", "@varve/base", "@varve/records", "@varve/rpc"]),
  );
});

test("a tarball holds compiled code, declarations, README and licence; no test, no source, no map, no trace of the build", () => {
  for (const { tarball } of packages) {
    const { name, paths } = tarball;
    expect(paths, name).toEqual(expect.arrayContaining(["package.json", "README.md", "LICENSE", "dist/index.js"]));
    const allowed = /^(?:dist\/.*\.(?:js|d\.ts)|bin\/varve\.js|package\.json|LICENSE|README\.md|OPERATIONS\.md)$/;
    expect(paths.filter((path) => !allowed.test(path) || path.includes(".test.")).join(), name).toBe("");
    expect(tarball.packedBytes, name).toBeLessThan(PACKED_BYTES_MAX);
  }
});

test("every entry and program that a manifest names is in its tarball", () => {
  for (const { folder, manifest } of packages) {
    const targets = targetsOf(manifest.exports);
    expect(targets.length, manifest.name).toBeGreaterThan(1);
    expect(targets.filter((target) => !existsSync(join(folder, target)))).toEqual([]);
  }
});

test("code and declarations name only packages that the manifest names", () => {
  const found = packages.flatMap((unpacked) => {
    const compiled = unpacked.tarball.paths.filter((path) => path.startsWith("dist/"));
    return compiled.flatMap((path) => undeclared(unpacked, path));
  });
  expect(found).toEqual([]);
});

test("what was compiled from a source that is gone stays out, and no file names a map", () => {
  const folder = join(temp, "made-up");
  mkdirSync(join(folder, "src"), { recursive: true });
  mkdirSync(join(folder, "dist"));
  writeFileSync(join(folder, "package.json"), "{}");
  writeFileSync(join(folder, "src", "a.ts"), "export const a = 1;\n");
  writeFileSync(join(folder, "dist", "a.js"), "export const a = 1;\n//# sourceMappingURL=a.js.map");
  for (const name of ["a.d.ts", "a.js.map", "a.test.js", "gone.js", "gone.d.ts", ".tsbuildinfo"]) {
    writeFileSync(join(folder, "dist", name), "");
  }
  stage(folder, join(ROOT, "LICENSE"), join(temp, "staged"));
  expect(readdirSync(join(temp, "staged")).sort()).toEqual(["LICENSE", "dist", "package.json"]);
  expect(readdirSync(join(temp, "staged", "dist")).sort()).toEqual(["a.d.ts", "a.js"]);
  expect(readFileSync(join(temp, "staged", "dist", "a.js"), "utf8")).toBe("export const a = 1;\n");
});

test("packing again leaves no tarball of an older version", async () => {
  const out = join(temp, "again");
  mkdirSync(out);
  writeFileSync(join(out, "varve-0.0.9.tgz"), "");
  const tarballs = await packAll(ROOT, out);
  expect(readdirSync(out).sort()).toEqual(tarballs.map(({ file }) => file.slice(out.length + 1)).sort());
});
