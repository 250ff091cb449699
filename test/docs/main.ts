/** main.ts: `npm run docs`: writes the parts of the READMEs and of the chart that are made from the code, and says which changed. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { FILES, madeDocument, SECTIONS } from "./sections.js";

// Compiled, this file is test/docs/dist/main.js.
const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const read = (file: string): string => readFileSync(join(ROOT, file), "utf8");

for (const section of [...SECTIONS, ...FILES]) {
  const { document, name } = section;
  const made = madeDocument(section, read);
  const changed = made !== read(document);
  if (changed) writeFileSync(join(ROOT, document), made);
  process.stdout.write(`${document}, ${name}: ${changed ? "written" : "up to date"}\n`);
}
