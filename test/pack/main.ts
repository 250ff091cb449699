/**
 * main.ts: `npm run pack`: the tarballs of all published packages into dist/ of the repository, and a line about each.
 *
 * `npm install REPOSITORY/dist/*.tgz` takes them into a program; `npm publish dist/NAME.tgz` publishes one, so what is published is what
 * was tested.
 */
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { packAll } from "./pack.js";

// Compiled, this file is test/pack/dist/main.js.
const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

const kib = (bytes: number): string => `${Math.ceil(bytes / 1_024)} KiB`;

const tarballs = await packAll(ROOT, join(ROOT, "dist"));
for (const { file, packedBytes, unpackedBytes, paths } of tarballs) {
  const size = `${kib(packedBytes).padStart(8)} packed ${kib(unpackedBytes).padStart(8)} unpacked`;
  process.stdout.write(`${relative(ROOT, file).padEnd(32)} ${size}  ${paths.length} files\n`);
}
const total = tarballs.reduce((sum, { packedBytes }) => sum + packedBytes, 0);
process.stdout.write(`${tarballs.length} tarballs, ${kib(total)}\n`);
