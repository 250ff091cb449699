/**
 * functions.ts: how long functions are. A function is a body in braces after `=>` or after a list of parameters; what stands inside another
 * function counts for both.
 */
import { lineAt, type Source } from "./source.js";

export interface FunctionSize {
  /** `path:line` of the body's first line. */
  readonly at: string;
  readonly lines: number;
}

/** Words that stand before parentheses and a block, and make no function. */
const STATEMENTS = new Set(["if", "for", "while", "switch", "catch", "with"]);

export function functionSizesOf({ path, code }: Source): FunctionSize[] {
  const sizes: FunctionSize[] = [];
  const open: { readonly index: number; readonly isFunction: boolean }[] = [];
  for (let index = 0; index < code.length; index++) {
    if (code[index] === "{") open.push({ index, isFunction: beginsFunction(code, index) });
    else if (code[index] === "}") {
      const begun = open.pop();
      if (begun?.isFunction !== true) continue;
      const first = lineAt(code, begun.index);
      sizes.push({ at: `${path}:${first}`, lines: lineAt(code, index) - first + 1 });
    }
  }
  return sizes;
}

function beginsFunction(code: string, brace: number): boolean {
  const before = code.slice(Math.max(0, brace - 400), brace).trimEnd();
  if (before.endsWith("=>")) return true;
  // `)`, perhaps with a type of what is returned behind it.
  const close = /\)\s*(?::[^;{}()=]*)?$/.exec(before)?.index;
  if (close === undefined) return false;
  let depth = 0;
  for (let at = close; at >= 0; at--) {
    if (before[at] === ")") depth++;
    else if (before[at] === "(" && --depth === 0) {
      const word = /([\w$#]+)\s*(?:<[^()]*>)?\s*$/.exec(before.slice(0, at))?.[1];
      return word !== undefined && !STATEMENTS.has(word);
    }
  }
  return false;
}
