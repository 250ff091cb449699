/** source.ts: a source file with its comments and texts told apart, which is all that the rules need. */

export interface Source {
  /** Path from the repository's root. */
  readonly path: string;
  readonly text: string;
  /** The text with comments and the contents of strings, templates and regular expressions blanked, line breaks kept. */
  readonly code: string;
}

export function sourceOf(path: string, text: string): Source {
  return { path, text, code: blank(text) };
}

/** `path:line` of each match of `pattern` in the code. */
export function matches(source: Source, pattern: RegExp): string[] {
  return [...source.code.matchAll(new RegExp(pattern.source, `${pattern.flags.replace("g", "")}g`))].map(
    ({ index, 0: found }) => `${source.path}:${lineOf(source.code, index)} ${found.trim()}`,
  );
}

/** Module names that the file imports from, with their lines; type-only imports too. */
export function importsOf({ text, code, path }: Source): { readonly from: string; readonly at: string }[] {
  const found: { from: string; at: string }[] = [];
  for (const { index } of code.matchAll(/\b(?:from|import)\s*\(?\s*["'`]/g)) {
    const quoted = /["'`]([^"'`\n]+)["'`]/.exec(text.slice(index, index + 300));
    if (quoted?.[1] !== undefined) found.push({ from: quoted[1], at: `${path}:${lineOf(code, index)}` });
  }
  return found;
}

function lineOf(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

function blank(text: string): string {
  let out = "";
  for (let at = 0; at < text.length; ) {
    const two = text.slice(at, at + 2);
    const one = text[at] ?? "";
    let end = at;
    let keepEnds = 0;
    if (two === "//") end = indexOr(text, "\n", at);
    else if (two === "/*") end = indexOr(text, "*/", at + 2) + 2;
    else if (one === '"' || one === "'" || one === "`") {
      end = quoteEnd(text, at, one);
      keepEnds = 1;
    } else if (one === "/" && startsRegExp(out)) {
      end = regExpEnd(text, at);
      keepEnds = 1;
    }
    if (end === at) {
      out += one;
      at++;
      continue;
    }
    const piece = text.slice(at, end);
    const inner = piece.slice(keepEnds, piece.length - keepEnds).replace(/[^\n]/g, " ");
    out += keepEnds === 1 ? `${piece[0]}${inner}${piece[piece.length - 1]}` : inner;
    at = end;
  }
  return out;
}

function indexOr(text: string, wanted: string, from: number): number {
  const at = text.indexOf(wanted, from);
  return at < 0 ? text.length : at;
}

function quoteEnd(text: string, start: number, quote: string): number {
  let at = start + 1;
  while (at < text.length) {
    if (text[at] === "\\") at += 2;
    else if (quote === "`" && text.startsWith("${", at)) at = templateHoleEnd(text, at + 2);
    else if (text[at] === quote) return at + 1;
    else at++;
  }
  return text.length;
}

function templateHoleEnd(text: string, start: number): number {
  let depth = 1;
  let at = start;
  while (at < text.length && depth > 0) {
    const one = text[at] ?? "";
    if (one === "{") depth++;
    else if (one === "}") depth--;
    if (one === '"' || one === "'" || one === "`") at = quoteEnd(text, at, one);
    else at++;
  }
  return at;
}

/** A slash begins a regular expression where no value stands before it. */
function startsRegExp(before: string): boolean {
  const last = /(\S)\s*$/.exec(before)?.[1] ?? "";
  return last === "" || "(,=:[!&|?{};\n>".includes(last) || /\b(?:return|case|typeof)\s*$/.test(before);
}

function regExpEnd(text: string, start: number): number {
  let inClass = false;
  for (let at = start + 1; at < text.length; at++) {
    const one = text[at];
    if (one === "\\") at++;
    else if (one === "\n") return start;
    else if (one === "[") inClass = true;
    else if (one === "]") inClass = false;
    else if (one === "/" && !inClass) return at + 1;
  }
  return start;
}
