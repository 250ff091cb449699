/**
 * stage.mjs: lays out in a new folder what the image adds to its base: the compiled packages, the modules that they need to run, the
 * `varve` command and an empty data folder. Runs inside the build stage, with nothing but Node.js.
 *
 *   node deploy/image/stage.mjs OUT
 *
 * Invariants:
 *   G1  only what the `varve` package reaches through `dependencies` is there: no compiler, no test, no example
 *   G2  nothing is fetched when the checkout brings modules for this platform; else `npm ci` fetches what the lock file names
 *   G3  the first line of the command names this image's own Node.js: neither a shell nor /usr/bin/env is needed to start it
 */
import { execFileSync } from "node:child_process";
import {
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";

/** Owner of the data folder: the user that the image runs as. */
const UID = 10_001;
const ROOT = process.cwd();
const OUT = process.argv[2];
if (OUT === undefined) throw new Error("usage: node deploy/image/stage.mjs OUT");

/** Not needed to run: declarations, maps, prose, sources of native modules that come compiled. Licences stay. */
const UNUSED =
  /\.(?:d\.[cm]?ts|map|md|markdown|tsbuildinfo|test\.js)$|\/lmdb\/(?:src|dependencies|rollup[^/]*|binding\.gyp)(?:\/|$)/;

const manifestOf = (folder) => JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));

/** Whether the checkout's modules are there and hold the native parts for this platform. */
function modulesFit() {
  return existsSync(join(ROOT, "node_modules", "@lmdb", `lmdb-${process.platform}-${process.arch}`));
}

function run(file, args) {
  execFileSync(file, args, { stdio: "inherit", cwd: ROOT });
}

/** The folder that `name` resolves to from `from`, as Node.js looks it up; null when it is not installed. */
function findModule(name, from) {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, "node_modules", name);
    if (existsSync(join(candidate, "package.json"))) return candidate;
    if (folder === ROOT || folder === dirname(folder)) return null;
  }
}

/** Every package that `start` needs to run, as path below node_modules -> real folder (G1). */
function reachable(start) {
  const found = new Map();
  const waiting = [start];
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    const { dependencies = {}, optionalDependencies = {} } = manifestOf(folder);
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      if (name.startsWith("@types/")) continue;
      const module = findModule(name, folder);
      if (module === null && name in optionalDependencies) continue; // for another platform
      if (module === null) throw new Error(`${name}, which ${folder} needs, is not installed`);
      const place = placeOf(module);
      if (found.has(place)) continue;
      found.set(place, realpathSync(module));
      waiting.push(realpathSync(module));
    }
  }
  return found;
}

/** Where a module goes: its path below the checkout's node_modules; one that lies in a package goes there too. */
function placeOf(module) {
  const path = relative(ROOT, module);
  const inPackage = /^packages\/([^/]+)\/(node_modules\/.*)$/.exec(path);
  if (inPackage === null) return path;
  const [, folder = "", rest = ""] = inPackage;
  return join("node_modules", manifestOf(join(ROOT, "packages", folder)).name, rest);
}

/** A compiled file whose source is gone is left over from an older build. */
function isLeftOver(folder, path) {
  const compiled = /^dist\/(.*)\.js$/.exec(relative(folder, path));
  return (
    compiled !== null &&
    folder.startsWith(join(ROOT, "packages")) &&
    !existsSync(join(folder, "src", `${compiled[1]}.ts`))
  );
}

function copy(folder, target) {
  const ownPackage = folder.startsWith(join(ROOT, "packages"));
  cpSync(folder, target, {
    recursive: true,
    filter(path) {
      if (path === folder) return true;
      const inside = relative(folder, path);
      if (inside === "node_modules" || UNUSED.test(path) || isLeftOver(folder, path)) return false;
      return !ownPackage || /^(?:bin|dist|package\.json)(?:\/|$)/.test(inside);
    },
  });
}

if (!modulesFit()) run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
run(process.execPath, [join(ROOT, "node_modules", "typescript", "bin", "tsc"), "-b", "packages/cli"]);

const app = join(OUT, "app");
const cli = join(ROOT, "packages", "cli");
copy(cli, join(app, "node_modules", "varve"));
for (const [place, folder] of reachable(cli)) copy(folder, join(app, place));
cpSync(join(ROOT, "LICENSE"), join(app, "LICENSE"));
for (const program of ["smoke-test.mjs", "node-zone.mjs"])
  cpSync(join(ROOT, "deploy", "image", program), join(app, program));
const command = join(app, "node_modules", "varve", "bin", "varve.js");
writeFileSync(command, readFileSync(command, "utf8").replace(/^#!.*/, `#!${process.execPath}`), { mode: 0o755 }); // G3

mkdirSync(join(OUT, "usr", "local", "bin"), { recursive: true });
symlinkSync("/app/node_modules/varve/bin/varve.js", join(OUT, "usr", "local", "bin", "varve"));
const data = join(OUT, "var", "lib", "varve");
mkdirSync(data, { recursive: true });
chownSync(data, UID, UID);
