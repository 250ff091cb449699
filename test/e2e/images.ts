/**
 * images.ts: the images that brokers run from: this checkout's, and the previous version's out of this repository's own history.
 *
 * Both are built by deploy/Dockerfile on a base that deploy/make-base-image.sh makes of this machine's Node.js, so that no registry of images is
 * needed. The previous version gets this checkout's installed dependencies and this checkout's way of making an image: it had none.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { extractPrevious } from "./previous-build.js";
import { ROOT } from "./root.js";
import { scratch } from "./scratch.js";

const BASE = "local/node:1";
const BUILD_MS = 600_000;
/** Beside the packages: what deploy/Dockerfile copies. */
const OF_THIS_CHECKOUT = ["LICENSE", "package-lock.json", ".dockerignore", "deploy/Dockerfile", "deploy/image"];
/** Development tools, which .dockerignore leaves out of the image's own build as well. */
const LEFT_OUT = ["@biomejs", "@bufbuild", ".cache"];

/** Builds this checkout's image, and its base before. */
export async function buildCurrent(tag: string): Promise<void> {
  await run("deploy/make-base-image.sh", [BASE]);
  await run("docker", ["build", ...buildArgs(tag), "."]);
}

/** Builds the previous version's image, on the same base. @throws Error when its commit is not there. */
export async function buildPrevious(tag: string): Promise<void> {
  const { folder, remove } = scratch("varve-previous-image-");
  try {
    extractPrevious(folder);
    await buildFrom(contextOf(folder), tag);
  } finally {
    remove();
  }
}

/** The arguments of a tar that writes the context of a build: sources of another version, the rest of this checkout. */
function contextOf(sources: string): string[] {
  const modules = readdirSync(join(sources, "packages"))
    .map((name) => `packages/${name}/node_modules`)
    .filter((path) => existsSync(join(ROOT, path)));
  return [
    "-c",
    ...LEFT_OUT.map((name) => `--exclude=node_modules/${name}`),
    ...["-C", ROOT, ...OF_THIS_CHECKOUT, "node_modules", ...modules],
    ...["-C", sources, "package.json", "tsconfig.json", "tsconfig.base.json", "packages"],
  ];
}

async function buildFrom(context: readonly string[], tag: string): Promise<void> {
  const tar = spawn("tar", [...context], { stdio: ["ignore", "pipe", "inherit"] });
  const build = spawn("docker", ["build", ...buildArgs(tag), "-"], {
    stdio: ["pipe", "ignore", "inherit"],
    timeout: BUILD_MS,
  });
  const [[code]] = await Promise.all([once(build, "close"), pipeline(tar.stdout, build.stdin)]);
  if (code !== 0) throw new Error(`docker build of the previous version ended with ${code}`);
}

function buildArgs(tag: string): string[] {
  return ["--quiet", "--tag", tag, "--file", "deploy/Dockerfile", "--build-arg", `BASE_IMAGE=${BASE}`];
}

async function run(file: string, args: readonly string[]): Promise<void> {
  const child = spawn(file, [...args], { cwd: ROOT, stdio: ["ignore", "ignore", "inherit"], timeout: BUILD_MS });
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${file} ${args.join(" ")} ended with ${code}`);
}
