#!/usr/bin/env node
/** varve.js: starts the compiled command line; says what to run when it has not been compiled. */
import { existsSync } from "node:fs";

const entry = new URL("../dist/main.js", import.meta.url);
if (existsSync(entry)) {
  const { main } = await import(entry.href);
  process.exit(await main(process.argv.slice(2)));
} else {
  process.stderr.write("error: varve has not been compiled; in the folder of the repository run: npm run build\n");
  process.exitCode = 1;
}
