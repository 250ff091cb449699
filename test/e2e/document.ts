/** document.ts: writes what a run measured into deploy/README.md, between two marks. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./root.js";

const FILE = join(ROOT, "deploy/README.md");
const BEGIN = "<!-- gaps in containers: made by npm run test:e2e -- --document, do not edit -->";
const END = "<!-- end of gaps in containers -->";

/** @throws Error when the marks are not there. */
export function documentGaps(table: string): void {
  writeFileSync(FILE, withTable(readFileSync(FILE, "utf8"), table));
}

/** The text with another table between its marks. */
export function withTable(text: string, table: string): string {
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin < 0 || end < begin) throw new Error("the marks of the table are not there");
  return `${text.slice(0, begin)}${BEGIN}\n\n${table}\n${text.slice(end)}`;
}
