/**
 * packages.test.ts: what users install. The tarballs of `npm run pack` go into empty folders with nothing of this repository near them.
 */
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DevCommand } from "../pack/dev-command.js";
import { Installation, registryAnswers, type TemporaryFolder, temporaryFolder } from "../pack/installation.js";
import { packAll, type Tarball } from "../pack/pack.js";
import { entriesOf, manifestIn, PUBLIC_PACKAGES, publishedPackages, withNeeds } from "../pack/packages.js";
import { run } from "../pack/run.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FIXTURES = join(ROOT, "test", "pack", "fixtures");
/** The compiler of this repository, and the last of the line before it, which most programs use. */
const COMPILERS = { "TypeScript 7": "typescript", "TypeScript 5": "typescript-5" } as const;
const TOOLS = ["typescript@7.0.2", "typescript-5@npm:typescript@5.9.3", "esbuild@0.28.2"];
const STRICT = ["--noEmit", "--strict", "--skipLibCheck", "false", "--target", "es2022"];
const RESOLUTIONS = {
  nodenext: ["--module", "nodenext"],
  bundler: ["--module", "esnext", "--moduleResolution", "bundler"],
} as const;
const SETUP_MS = 240_000;
const CLONE_MS = 280_000;
const MIB = 1024 * 1024;
const CLIENT_TARBALLS_BYTES_MAX = 0.5 * MIB;
const TARBALLS_BYTES_MAX = 2 * MIB;

const hasRegistry = await registryAnswers();
const withoutIt = hasRegistry ? "" : " (skipped: npm's registry does not answer)";
if (!hasRegistry) process.stdout.write(`installs of the packages are not tested${withoutIt}\n`);
const manifests = publishedPackages(ROOT).map(({ manifest }) => manifest);
const entries = manifests.flatMap(entriesOf);
const publicEntries = manifests.filter(({ name }) => PUBLIC_PACKAGES.includes(name)).flatMap(entriesOf);

let temp: TemporaryFolder;
const under = (name: string): string => join(temp.path, name);
const fixture = (name: string): string => join(FIXTURES, name);
const mib = (bytes: number): string => `${(bytes / MIB).toFixed(1)} MiB`;
const packed = (tarballs: readonly Tarball[]): number =>
  tarballs.reduce((sum, { packedBytes }) => sum + packedBytes, 0);

beforeAll(() => {
  temp = temporaryFolder();
});
afterAll(() => temp.remove());

describe.skipIf(!hasRegistry)(`the packages, installed from their tarballs into an empty folder${withoutIt}`, () => {
  let tarballs: readonly Tarball[];
  let app: Installation;
  let tools: Installation;

  beforeAll(async () => {
    tarballs = await packAll(ROOT, under("tarballs"));
    const files = tarballs.map(({ file }) => file);
    app = await Installation.make(under("app"), files);
    tools = await Installation.make(under("tools"), TOOLS);
    for (const name of ["load.cjs", "sdk.mts", "sdk.cts", "round-trip.mts", "cluster.mjs"]) {
      copyFileSync(fixture(name), join(app.folder, name));
    }
  }, SETUP_MS);

  const esbuild = (args: readonly string[]) =>
    app.run(join(tools.folder, "node_modules", ".bin", "esbuild"), ["--bundle", "--log-level=warning", ...args]);
  const compile = (compiler: string, args: readonly string[]) =>
    app.node([join(tools.folder, "node_modules", compiler, "bin", "tsc"), ...STRICT, ...args]);

  test("are small", async ({ annotate }) => {
    const figure = `${tarballs.length} tarballs ${mib(packed(tarballs))}, installed with all they need ${mib(app.bytes())}`;
    await annotate(figure);
    process.stdout.write(`${figure}\n`);
    expect(packed(tarballs), figure).toBeLessThan(TARBALLS_BYTES_MAX);
  });

  test("load by import and by require, every entry, with the same names", async () => {
    const imported = await app.node(["load.cjs", "import", ...entries]);
    const required = await app.node(["load.cjs", "require", ...entries]);
    expect([imported.stderr, required.stderr]).toEqual(["", ""]);
    const names = JSON.parse(imported.stdout) as Readonly<Record<string, readonly string[]>>;
    expect(JSON.parse(required.stdout)).toEqual(names);
    expect(Object.keys(names)).toEqual(expect.arrayContaining([...PUBLIC_PACKAGES]));
    expect(names["@varve/client"]).toEqual(["Varve", "VarveError", "json"]);
    expect(names["@varve/testing"]).toEqual(["createAuthority", "openAuthority", "startCluster"]);
    expect(names["raft-ts"]).toContain("RawNode");
    expect(names["varve"]).toContain("main");
  });

  describe.each(Object.entries(COMPILERS))("under %s", (_name, compiler) => {
    test.each(Object.entries(RESOLUTIONS))(
      "compile strictly, libraries included, as %s resolves",
      async (how, args) => {
        // Only nodenext knows what a CommonJS module may require.
        const programs = ["sdk.mts", "round-trip.mts", ...(how === "nodenext" ? ["sdk.cts"] : [])];
        expect((await compile(compiler, [...args, ...programs])).stdout).toBe("");
        writeFileSync(join(app.folder, "entries.mts"), entries.map((entry) => `import "${entry}";\n`).join(""));
        expect((await compile(compiler, [...args, "entries.mts"])).stdout).toBe("");
      },
    );

    test("compile with the options that only some programs set", async () => {
      const args = [...RESOLUTIONS.nodenext, "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess"];
      expect((await compile(compiler, [...args, "sdk.mts"])).stdout).toBe("");
    });

    test("have types that find mistakes", async () => {
      const text = 'import { Varve } from "@varve/client";\nnew Varve({ bootstrap: 7650 });\n';
      writeFileSync(join(app.folder, "mistake.mts"), text);
      await expect(compile(compiler, [...RESOLUTIONS.nodenext, "mistake.mts"])).rejects.toThrow("mistake.mts(2,13)");
    });
  });

  test.each(publicEntries)("%s compiles in a program that imports nothing else", async (entry) => {
    // Types that another package brings along would hide that this one does not ask for them.
    writeFileSync(join(app.folder, "alone.mts"), `import "${entry}";\n`);
    expect((await compile("typescript", [...RESOLUTIONS.nodenext, "alone.mts"])).stdout).toBe("");
  });

  test("run: varve says its version, starts a broker, and a record goes through it, also from a bundle in one file", async () => {
    const { version } = manifestIn(join(ROOT, "packages", "cli"));
    expect((await app.run("npx", ["varve", "--version"])).stdout).toBe(`${version}\n`);
    const dev = await DevCommand.start(app.folder);
    try {
      const { bootstrap } = await dev.ready();
      const varve = (...args: readonly string[]) => app.run("npx", ["varve", "--bootstrap", bootstrap, ...args]);
      writeFileSync(join(app.folder, "lines.txt"), "from the command line\n");
      await varve("topic", "create", "orders", "--partitions", "1");
      await varve("produce", "orders", "lines.txt");

      const alone = under("alone");
      mkdirSync(alone);
      const bundle = join(alone, "round-trip.cjs");
      await esbuild(["round-trip.mts", "--platform=node", "--target=node20", `--outfile=${bundle}`]);
      const args = [bundle, bootstrap, "orders", "from a bundle"];
      const { stdout, stderr } = await run(process.execPath, args, { cwd: alone, timeoutMs: 30_000 });
      expect({ stdout, stderr }).toEqual({ stdout: "0 from the command line\n1 from a bundle\n", stderr: "" });
      const consumed = await varve("consume", "orders", "--from", "earliest", "--to", "end");
      expect(consumed.stdout).toBe("from the command line\nfrom a bundle\n");
    } finally {
      await dev.stop();
    }
  });

  test("run: a test cluster survives the loss of a broker", async () => {
    expect((await app.node(["cluster.mjs"])).stdout).toBe("paid,sent");
  });

  test("in a browser's bundle the SDK says why it cannot run there", async () => {
    const names = Object.keys(await import("@varve/client"));
    expect(names).toContain("Varve");
    const text = `import { ${names.join(", ")} } from "@varve/client";\nglobalThis.used = [${names.join(", ")}];\n`;
    writeFileSync(join(app.folder, "page.mjs"), text);
    await esbuild(["page.mjs", "--platform=browser", "--outfile=page.bundle.js"]);
    const { stdout } = await app.node([fixture("browser-context.cjs"), "page.bundle.js"]);
    expect(stdout).toMatch(/^@varve\/client runs on Node\.js, not in a browser: .+/);
  });

  test("the client alone brings no native module, and one set of the types of Node.js beside a program's own", async ({
    annotate,
  }) => {
    const needs = withNeeds("@varve/client", manifests);
    const own = tarballs.filter(({ name }) => needs.has(name));
    const client = await Installation.make(under("client"), [...own.map(({ file }) => file), "@types/node@20.19.0"]);
    const files = client.files();
    expect(files.length).toBeGreaterThan(100);
    expect(files.filter((file) => file.endsWith(".node"))).toEqual([]);
    expect(
      app.files().some((file) => file.endsWith(".node")),
      "the search finds what the broker needs",
    ).toBe(true);
    expect(files.filter((file) => file.endsWith(join("@types", "node", "package.json")))).toHaveLength(1);
    copyFileSync(fixture("round-trip.mts"), join(client.folder, "round-trip.mts"));
    const tsc = join(tools.folder, "node_modules", "typescript", "bin", "tsc");
    expect((await client.node([tsc, ...STRICT, ...RESOLUTIONS.nodenext, "round-trip.mts"])).stdout).toBe("");
    const { stdout } = await client.node(["-e", 'console.log(typeof require("@varve/client").Varve)']);
    expect(stdout).toBe("function\n");

    const figure = `client alone: ${own.length} tarballs ${mib(packed(own))}, installed ${mib(client.bytes())}`;
    await annotate(figure);
    process.stdout.write(`${figure}\n`);
    expect(packed(own), figure).toBeLessThan(CLIENT_TARBALLS_BYTES_MAX);
  });
});

const canClone = hasRegistry && existsSync(join(ROOT, ".git"));
const withoutClone = canClone ? "" : " (skipped: no registry, or not in a git checkout)";

test.skipIf(!canClone)(
  `a clone of the last commit installs with npm ci --ignore-scripts and works once it is built${withoutClone}`,
  async () => {
    const clone = under("clone");
    await run("git", ["clone", "--quiet", ROOT, clone], { cwd: temp.path, timeoutMs: 60_000 });
    const inClone = (timeoutMs: number, command: string, ...args: readonly string[]) =>
      run(command, args, { cwd: clone, timeoutMs });
    await inClone(180_000, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund");
    await inClone(120_000, "npm", "run", "build");
    const { version } = manifestIn(join(clone, "packages", "cli"));
    expect((await inClone(30_000, "npx", "varve", "--version")).stdout).toBe(`${version}\n`);
    copyFileSync(fixture("cluster.mjs"), join(clone, "cluster.mjs"));
    expect((await inClone(60_000, process.execPath, "cluster.mjs")).stdout).toBe("paid,sent");
  },
  CLONE_MS,
);
