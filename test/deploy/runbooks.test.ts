/** runbooks.test.ts: each command in the runbooks says which test runs it, and that test does; or that it was not run, and why or by what it would be. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DEPLOY, ROOT } from "./tools.js";

const FOLDER = join(DEPLOY, "runbooks");

interface Line {
  readonly at: string;
  readonly command: string;
  /** What stands behind the sign of a comment. */
  readonly mark: string;
}

/** Lines in blocks of code that begin with a program; what programs answer is left out. */
function commandsOf(name: string, text: string): Line[] {
  const blocks = text.split(/^ *(?:\d+\. )?```.*$/m).filter((_, at) => at % 2 === 1);
  return blocks.flatMap((block) =>
    block
      .split("\n")
      .filter((line) => /^ *(?:kubectl|helm|varve|for) /.test(line))
      .map((line) => {
        const [command = "", mark = ""] = line.split(/ +# /);
        return { at: `${name}: ${command.trim()}`, command: command.trim(), mark };
      }),
  );
}

const lines = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".md"))
  .flatMap((name) => commandsOf(name, readFileSync(join(FOLDER, name), "utf8")));

test("every command says whether it was run", () => {
  expect(lines.length).toBeGreaterThan(20);
  expect(
    lines.filter(({ mark }) => !/^(?:not run\b|run in a container by test\/)/.test(mark)).map(({ at }) => at),
  ).toEqual([]);
});

test("the tests that they name are there, and run them", () => {
  const wrong = lines.filter(({ command, mark }) => {
    const [file] = /test\/[\w./-]+\.ts/.exec(mark) ?? [];
    if (file === undefined) return false;
    if (!existsSync(join(ROOT, file))) return true;
    const [, first, second] = /varve ([a-z]+) ([a-z-]+)/.exec(command.includes("-- varve") ? command : "") ?? [];
    return first !== undefined && !readFileSync(join(ROOT, file), "utf8").includes(`"${first}", "${second}"`);
  });
  expect(wrong.map(({ at }) => at)).toEqual([]);
});

test("a command without its mark is found, and one whose test does not run it", () => {
  const found = commandsOf("x.md", "1. ```\n   kubectl get pods\n   ```\n```\nhelm test a  # not run\nnot safe\n```\n");
  expect(found.map(({ command, mark }) => [command, mark])).toEqual([
    ["kubectl get pods", ""],
    ["helm test a", "not run"],
  ]);
});
