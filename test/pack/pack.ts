/** pack.ts: makes one tarball of every published package, as `npm publish` takes it and `npm install` accepts it. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { publishedPackages } from "./packages.js";
import { run } from "./run.js";
import { stage } from "./stage.js";

const PACK_TIMEOUT_MS = 60_000;

export interface Tarball {
  readonly name: string;
  readonly version: string;
  /** Absolute path. */
  readonly file: string;
  readonly packedBytes: number;
  readonly unpackedBytes: number;
  /** Paths within the package. */
  readonly paths: readonly string[];
}

/** One element of what `npm pack --json` prints. */
interface NpmPacked {
  readonly name: string;
  readonly version: string;
  readonly filename: string;
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string }[];
}

/** Packs what has been built into `outFolder`, which keeps no tarball of before. */
export async function packAll(root: string, outFolder: string): Promise<Tarball[]> {
  const staging = mkdtempSync(join(tmpdir(), "varve-pack-"));
  try {
    const folders = publishedPackages(root).map(({ folder }) => {
      const into = join(staging, basename(folder));
      stage(folder, join(root, "LICENSE"), into);
      return into;
    });
    mkdirSync(outFolder, { recursive: true });
    for (const name of readdirSync(outFolder)) if (name.endsWith(".tgz")) rmSync(join(outFolder, name));
    const args = ["pack", "--json", "--ignore-scripts", "--pack-destination", outFolder, ...folders];
    const { stdout } = await run("npm", args, { cwd: staging, timeoutMs: PACK_TIMEOUT_MS });
    return (JSON.parse(stdout) as readonly NpmPacked[]).map((packed) => ({
      name: packed.name,
      version: packed.version,
      file: join(outFolder, basename(packed.filename)),
      packedBytes: packed.size,
      unpackedBytes: packed.unpackedSize,
      paths: packed.files.map(({ path }) => path),
    }));
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}
