/** table.ts: rows of text in aligned columns, as `docker ps` or `kubectl get` print them. */

/** One cell; a column with a number, or with a text that says so, is aligned to the right. null is shown as "-". */
export type Cell = string | number | { readonly right: string } | null;

const GAP = "  ";
const NONE = "-";

/** The table as text, a line per row, headings in capitals first; each line ends with a newline. */
export function table(headings: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const texts = [headings.map((heading) => heading.toUpperCase()), ...rows.map((row) => row.map(cellText))];
  const widths = headings.map((_, column) => Math.max(...texts.map((row) => (row[column] ?? "").length)));
  const numeric = headings.map((_, column) => rows.some((row) => isRight(row[column])));
  const lines = texts.map((row) =>
    row.map((text, column) => pad(text, widths[column] ?? 0, numeric[column] ?? false)).join(GAP),
  );
  return lines.map((line) => `${line.trimEnd()}\n`).join("");
}

/** `name  value` lines, aligned. */
export function facts(pairs: readonly (readonly [name: string, value: Cell])[]): string {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${name.padEnd(width)}${GAP}${cellText(value)}\n`).join("");
}

function cellText(cell: Cell): string {
  if (cell === null || cell === "") return NONE;
  return typeof cell === "object" ? cell.right : String(cell);
}

function isRight(cell: Cell | undefined): boolean {
  return typeof cell === "number" || (typeof cell === "object" && cell !== null);
}

function pad(text: string, width: number, right: boolean): string {
  return right ? text.padStart(width) : text.padEnd(width);
}
