/**
 * source.ts: a source file with its code, its comments and its texts told apart, which is all that the rules need.
 *
 * TypeScript 7 brings no compiler API for JavaScript, so this is a scanner of its own. It knows comments, strings, templates with code in their
 * holes, and regular expressions; it knows no grammar.
 *
 * Invariants:
 *   S1  `code` has the length and the line breaks of `text`, so an index into one is an index into the other
 *   S2  a character of `code` is that of `text`, or a blank where `text` has a comment or the inside of a literal
 */

export interface Source {
  /** Path from the repository's root. */
  readonly path: string;
  readonly text: string;
  /** The text with comments and the insides of strings, templates and regular expressions blanked; code in template holes stays. */
  readonly code: string;
  readonly comments: readonly Comment[];
}

export interface Comment {
  readonly line: number;
  readonly text: string;
}

export interface Import {
  readonly module: string;
  /** `path:line`. */
  readonly at: string;
}

export function sourceOf(path: string, text: string): Source {
  const scanner = new Scanner(text);
  scanner.scanCode("end of file");
  return { path, text, code: scanner.code(), comments: scanner.comments };
}

/** `path:line: found` of each match of `pattern` in the code. */
export function matches(source: Source, pattern: RegExp): string[] {
  const every = new RegExp(pattern.source, `${pattern.flags.replace("g", "")}g`);
  return [...source.code.matchAll(every)].map(
    ({ index, 0: found }) => `${source.path}:${lineAt(source.code, index)}: ${found.trim()}`,
  );
}

/** Modules that the file imports from: static, type-only, dynamic and `require`. */
export function importsOf({ text, code, path }: Source): Import[] {
  const found: Import[] = [];
  for (const { index, 0: head } of code.matchAll(/(?<![.\w$])(?:from|import|require)\s*\(?\s*["'`]/g)) {
    const quote = index + head.length - 1;
    const end = code.indexOf(head.slice(-1), quote + 1);
    if (end > quote) found.push({ module: text.slice(quote + 1, end), at: `${path}:${lineAt(code, index)}` });
  }
  return found;
}

/** 1-based. */
export function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

const WORD = /[\w$]/;
/** After these words an expression begins, so a slash there begins a regular expression. */
const BEFORE_EXPRESSION = new Set([
  "return",
  "typeof",
  "case",
  "in",
  "of",
  "void",
  "delete",
  "throw",
  "await",
  "yield",
]);

class Scanner {
  readonly comments: Comment[] = [];
  private readonly out: string[] = [];
  private at = 0;
  private line = 1;
  /** The last word or sign of the code, which tells a division from a regular expression. */
  private last = "";

  constructor(private readonly text: string) {}

  code(): string {
    return this.out.join("");
  }

  /** Scans code until the file ends, or until the brace that closes a template's hole, which it leaves. */
  scanCode(until: "end of file" | "end of hole"): void {
    let depth = 0;
    while (this.at < this.text.length) {
      const one = this.text[this.at] ?? "";
      if (one === "}" && depth === 0 && until === "end of hole") return;
      if (one === "{") depth++;
      else if (one === "}") depth--;
      if (this.text.startsWith("//", this.at)) this.comment("\n", 0);
      else if (this.text.startsWith("/*", this.at)) this.comment("*/", 2);
      else if (one === '"' || one === "'") this.string(one);
      else if (one === "`") this.template();
      else if (one === "/" && this.expressionMayBegin()) this.regExp();
      else if (WORD.test(one)) this.word();
      else this.sign(one);
    }
  }

  private sign(one: string): void {
    this.keep(1);
    if (one.trim() !== "") this.last = one;
  }

  private word(): void {
    let end = this.at;
    while (WORD.test(this.text[end] ?? "")) end++;
    this.last = this.text.slice(this.at, end);
    this.keep(end - this.at);
  }

  private comment(end: string, endLength: number): void {
    const found = this.text.indexOf(end, this.at + 2);
    const stop = found < 0 ? this.text.length : found + endLength;
    this.comments.push({ line: this.line, text: this.text.slice(this.at, stop) });
    this.blank(stop - this.at);
  }

  private string(quote: string): void {
    this.keep(1);
    this.blankUntil((one) => one === quote || one === "\n");
    if (this.text[this.at] === quote) this.keep(1);
    this.last = quote;
  }

  private template(): void {
    this.keep(1);
    while (this.at < this.text.length) {
      this.blankUntil((one, at) => one === "`" || this.text.startsWith("${", at));
      if (this.text[this.at] !== "$") break;
      this.keep(2);
      this.last = "{";
      this.scanCode("end of hole");
      this.keep(1);
    }
    this.keep(1);
    this.last = "`";
  }

  private regExp(): void {
    let isInClass = false;
    this.keep(1);
    this.blankUntil((one) => {
      if (one === "[") isInClass = true;
      else if (one === "]") isInClass = false;
      return one === "\n" || (one === "/" && !isInClass);
    });
    this.keep(1);
    this.last = "/";
  }

  /** Blanks up to the character for which `isEnd` holds; an escaped character never ends anything. */
  private blankUntil(isEnd: (one: string, at: number) => boolean): void {
    while (this.at < this.text.length) {
      const one = this.text[this.at] ?? "";
      if (one === "\\") this.blank(2);
      else if (isEnd(one, this.at)) return;
      else this.blank(1);
    }
  }

  private expressionMayBegin(): boolean {
    if (WORD.test(this.last[0] ?? "")) return BEFORE_EXPRESSION.has(this.last);
    return !")]}\"'`/".includes(this.last) || this.last === "";
  }

  private keep(count: number): void {
    this.emit(this.text.slice(this.at, this.at + count));
  }

  private blank(count: number): void {
    this.emit(this.text.slice(this.at, this.at + count).replace(/[^\n]/g, " "));
  }

  private emit(piece: string): void {
    this.out.push(piece);
    this.at += piece.length;
    for (const one of piece) if (one === "\n") this.line++;
  }
}
