/**
 * readme-blocks.ts: the fenced blocks of a README, and what each asks of a test.
 *
 * What stands after the fence decides:
 *   ts, js          a whole program: it runs as it stands, against a cluster, and must succeed
 *   ts fragment     a part of one: it must compile among the names that its README speaks of
 *   sh              commands that run as they stand, the first that fails ends them
 *   anything else   output, or a command's form: not run
 * A js program whose first line is `// NAME.mjs: ...` is a file that people save, and has a test of its own.
 * A text behind a program that begins with "It prints `...`" is held to it.
 */

export interface Block {
  readonly language: string;
  /** What follows the language. */
  readonly info: string;
  readonly code: string;
  /** The heading above it. */
  readonly heading: string;
  /** What it prints, as the text behind it says; null: it does not say. */
  readonly prints: string | null;
}

/** @throws Error when a fence is not closed: what stands behind it would be checked by nobody. */
export function blocksOf(readme: string): Block[] {
  const parts = readme.split(/^```/m);
  if (parts.length % 2 === 0) throw new Error("a fence is not closed");
  let heading = "";
  const blocks: Block[] = [];
  for (const [index, part] of parts.entries()) {
    if (index % 2 === 0) {
      heading =
        part
          .match(/^#+ .*$/gm)
          ?.at(-1)
          ?.replace(/^#+ /, "") ?? heading;
      continue;
    }
    const [, language = "", info = "", code = ""] = /^(\w*) ?(.*)\n([\s\S]*)$/.exec(part) ?? [];
    const prints = /^\s*It prints `([^`]+)`/.exec(parts[index + 1] ?? "")?.[1] ?? null;
    blocks.push({ language, info, code, heading, prints });
  }
  return blocks;
}

/** Name of the file that a program says it is; null: none. */
export function fileNameOf({ code }: Block): string | null {
  return /^\/\/ ([\w-]+\.mjs):/.exec(code)?.[1] ?? null;
}

export function isFragment({ language, info }: Block): boolean {
  return language === "ts" && info === "fragment";
}

export function isProgram(block: Block): boolean {
  return (block.language === "ts" || block.language === "js") && !isFragment(block) && fileNameOf(block) === null;
}
