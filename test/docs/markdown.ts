/** markdown.ts: tables, and the places in documents that are made: between two marks. Pure: from texts to texts. */

/** One table: a head and rows of as many cells. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => "---"), ...rows.map((row) => row.map(cell))];
  return lines.map((row) => `| ${row.join(" | ")} |`).join("\n");
}

/** A cell must not end its row, nor its column. */
function cell(text: string): string {
  return text.replaceAll(/\s+/g, " ").replaceAll("|", "\\|").trim();
}

const END = "<!-- end of what npm run docs makes -->";

function startMark(name: string): string {
  return `<!-- ${name}: made by npm run docs from the code, do not edit -->`;
}

/** `document` with what stands between the marks of `name` replaced. @throws Error when it does not have them exactly once. */
export function withSection(document: string, name: string, made: string): string {
  const parts = document.split(`${startMark(name)}\n`);
  const [before, after] = parts;
  if (before === undefined || after === undefined || parts.length !== 2) {
    throw new Error(`the document must have the line ${startMark(name)} once`);
  }
  const end = after.indexOf(END);
  if (end < 0) throw new Error(`the section ${name} has no line ${END}`);
  return `${before}${startMark(name)}\n\n${made}\n\n${after.slice(end)}`;
}
