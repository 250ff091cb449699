/**
 * runbooks.test.ts: each command in the runbooks and in deploy/README.md says which test runs it, and that test does; or that it was not run, and
 * why or by what it would be. Commands in blocks of code say it behind a `#`; those within sentences behind themselves in parentheses, in their
 * table's row, or by being one of their page's blocks.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { DEPLOY, ROOT } from "./tools.js";

const FOLDER = join(DEPLOY, "runbooks");
const MARK = /^(?:not run\b|run (?:in a container )?by test\/)/;
const PROGRAMS = "(?:kubectl|helm|varve|npx|docker|kind|k3d|minikube|for|seq|echo|wait|deploy/\\S+\\.sh)";
/** Commands of the command line that have one word; all others have two. */
const ONE_WORD = ["produce", "consume", "doctor", "dev"];
/** kubectl's that name a kind of object; a describe is not a get. */
const WITH_KIND = ["get", "describe", "delete", "create", "label", "patch", "config", "rollout"];
/** What fits any namespace, or names its own. */
const ANYWHERE =
  /^kubectl (?:config|create namespace|label namespace)\b|kubectl -n | --namespace |--raw |^(?!.*\b(?:kubectl|helm) )/;
const CONTEXT = "kubectl config set-context --current --namespace varve";

interface Page {
  readonly name: string;
  readonly text: string;
}
interface Line {
  readonly at: string;
  readonly command: string;
  /** What stands behind the sign of a comment. */
  readonly mark: string;
}

const BLOCK = /^ *(?:\d+\. )?```.*$/m;

/** Lines in blocks of code that begin with a program; what programs answer is left out. */
function commandsOf({ name, text }: Page): Line[] {
  const blocks = text.split(BLOCK).filter((_, at) => at % 2 === 1);
  return blocks.flatMap((block) =>
    block
      .split("\n")
      .filter((line) => new RegExp(`^ *${PROGRAMS}(?: |$)`).test(line))
      .map((line) => {
        const [command = "", mark = ""] = line.split(/ +# /);
        return { at: `${name}: ${command.trim()}`, command: command.trim(), mark };
      }),
  );
}

/** What a command does, whatever it does it to: `varve cluster health`, `kubectl describe pod`, `helm upgrade`. */
function deedOf(command: string): string {
  const inPod = command.replace(
    /^.*\bkubectl (?:.* )?exec .*? -- varve\b|^npx varve\b|^docker exec \S+ varve\b/,
    "varve",
  );
  const [program = "", verb = "", object = ""] = inPod
    .replace(/ (?:-n|--namespace) \S+/g, "")
    .split(/\s+/)
    .filter((word) => !word.startsWith("-"));
  const words = program === "varve" ? !ONE_WORD.includes(verb) : program === "kubectl" && WITH_KIND.includes(verb);
  return [program, verb, words ? object : ""].join(" ").trim();
}

/** Commands within sentences and tables that say nowhere whether they were run. */
function unmarkedOf(page: Page): string[] {
  const shown = new Set(commandsOf(page).map(({ command }) => deedOf(command)));
  const prose = page.text.split(BLOCK).filter((_, at) => at % 2 === 0);
  const lines = prose.flatMap((part) => part.split("\n"));
  return lines.flatMap((line) => {
    const rowSays =
      line.startsWith("|") && line.split(/ ?\| ?|; /).some((cell) => /(?:^|\b)not run$/.test(cell) || MARK.test(cell));
    const found = [...line.matchAll(/`((?:kubectl|helm|varve|npx|docker) [^`]+)`(?: \(([^)]*)\))?/g)];
    return found
      .filter(
        ([, command = "", mark = ""]) =>
          !(rowSays || MARK.test(mark) || shown.has(deedOf(command)) || command.endsWith(" varve")),
      )
      .map(([, command]) => `${page.name}: ${command}`);
  });
}

/** Commands that go to whatever namespace is the current one, before the page says which that is. */
function namespacelessOf(page: Page): string[] {
  const lines = commandsOf(page);
  const said = lines.findIndex(({ command }) => command === CONTEXT);
  return lines.filter(({ command }, at) => (said < 0 || at < said) && !ANYWHERE.test(command)).map(({ at }) => at);
}

/** Without what is itself the account of what was run: the tables that the tests in containers write, and the last section. */
function guide(): string {
  const text = readFileSync(join(DEPLOY, "README.md"), "utf8");
  const [before = ""] = text.split("\n## What was run, and what was not\n");
  return before.replace(/<!-- gaps in containers[\s\S]*<!-- end of gaps in containers -->/, "");
}

const runbooks = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".md"))
  .map((name) => ({ name, text: readFileSync(join(FOLDER, name), "utf8") }));
const pages: readonly Page[] = [...runbooks, { name: "README.md", text: guide() }];
const lines = pages.flatMap(commandsOf);

describe("runbooks and the guide", () => {
  test("say of every command whether it was run", () => {
    expect(lines.length).toBeGreaterThan(50);
    expect(lines.filter(({ mark }) => !MARK.test(mark)).map(({ at }) => at)).toEqual([]);
    expect(pages.flatMap(unmarkedOf)).toEqual([]);
  });

  test("name tests that are there, and run the commands", () => {
    const wrong = lines.filter(({ command, mark }) => {
      const [file] = /test\/[\w./-]+\.ts/.exec(mark) ?? [];
      if (file === undefined) return false;
      if (!existsSync(join(ROOT, file))) return true;
      const [program, ...words] = deedOf(command).split(" ");
      if (program !== "varve" || mark.startsWith("not run")) return false;
      return !readFileSync(join(ROOT, file), "utf8")
        .replace(/\s+/g, " ")
        .includes(words.map((word) => `"${word}"`).join(", "));
    });
    expect(wrong.map(({ at }) => at)).toEqual([]);
  });

  test("say which namespace is meant", () => {
    expect(pages.flatMap(namespacelessOf)).toEqual([]);
  });
});

describe("what is wrong in a page is found:", () => {
  const page = (text: string): Page => ({ name: "x.md", text });

  test("a command without its mark", () => {
    const found = commandsOf(page("1. ```\n   kubectl get pods\n   ```\n```\nhelm test a  # not run\nnot safe\n```\n"));
    expect(found.map(({ command, mark }) => [command, mark])).toEqual([
      ["kubectl get pods", ""],
      ["helm test a", "not run"],
    ]);
  });

  test.each([
    { text: "Look: `kubectl describe pod`.", finds: ["x.md: kubectl describe pod"] },
    { text: "`helm uninstall` keeps them", finds: ["x.md: helm uninstall"] },
    {
      text: "```\nkubectl describe node a  # not run\n```\n`kubectl describe pod`",
      finds: ["x.md: kubectl describe pod"],
    },
    { text: "| `varve cluster health` | seen |", finds: ["x.md: varve cluster health"] },
    { text: "`kubectl scale` (not run) asks nobody", finds: [] },
    { text: "| `helm rollback` | in containers; on Kubernetes not run |", finds: [] },
    {
      text: "```\nkubectl exec varve-0 -- varve topic alter A  # not run\n```\n`varve topic alter B --set a=1`",
      finds: [],
    },
  ])("within a sentence: $text", ({ text, finds }) => {
    expect(unmarkedOf(page(text))).toEqual(finds);
  });

  test("one that goes to whatever namespace is the current one", () => {
    const block = (...commands: string[]): Page => page(["```", ...commands, "```"].join("\n"));
    expect(namespacelessOf(block("helm upgrade varve a", CONTEXT, "kubectl get pods"))).toEqual([
      "x.md: helm upgrade varve a",
    ]);
    expect(
      namespacelessOf(block("helm test varve --namespace varve", "npx varve dev", "kubectl -n a get pods")),
    ).toEqual([]);
  });
});
