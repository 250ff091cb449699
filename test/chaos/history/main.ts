/**
 * main.ts: `npm run check-history -- FILE [--json]`: judges a history file.
 *
 * Exit 0: no check found anything; 1: a promise is broken, and by which events; 2: wrong usage, or a file that cannot be read as a history.
 * Nothing but the verdict goes to stdout.
 */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { checkHistory } from "./check-history.js";
import { linesOf } from "./lines.js";
import { jsonOf, textOf } from "./report.js";

const USAGE = `usage: npm run check-history -- FILE [--json]
  FILE    a history: one JSON object a line (test/chaos/history/README.md says which)
  --json  one object on one line: { "valid", "checks": [{ "check", "valid", "count", "offending" }] }
`;

const complain = (text: string): void => void process.stderr.write(text);

/** npm runs scripts in the repository's root; a relative path is one of the folder that npm was called in. */
function pathOf(file: string): string {
  const called = process.env["INIT_CWD"];
  return called === undefined || existsSync(file) ? resolve(file) : resolve(called, file);
}

/** The exit code. */
function run(args: readonly string[]): number {
  const files = args.filter((arg) => !arg.startsWith("-"));
  const flags = args.filter((arg) => arg.startsWith("-"));
  const [file] = files;
  if (flags.includes("--help") || flags.includes("-h")) {
    process.stdout.write(USAGE);
    return 0;
  }
  const strange = flags.filter((flag) => flag !== "--json");
  if (file === undefined || files.length > 1 || strange.length > 0) {
    if (strange.length > 0) complain(`unknown option ${strange.join(", ")}\n`);
    complain(USAGE);
    return 2;
  }
  return judge(pathOf(file), flags.includes("--json"));
}

function judge(path: string, isJson: boolean): number {
  const judgement = checkHistory(linesOf(path));
  if (judgement.kind === "unreadable") {
    complain(`${path}:${judgement.line}: ${judgement.problem}\n`);
    return 2;
  }
  if (judgement.events === 0) complain(`${path}: holds no event, so nothing was judged\n`);
  process.stdout.write(isJson ? jsonOf(judgement) : textOf(judgement, linesOf(path)));
  return judgement.valid ? 0 : 1;
}

/** Whatever goes wrong here, a promise is not broken by it: 1 is for that alone. */
function exitCode(): number {
  try {
    return run(process.argv.slice(2));
  } catch (error) {
    const isOfFiles = error instanceof Error && "syscall" in error;
    complain(`${error instanceof Error ? (isOfFiles ? error.message : error.stack) : String(error)}\n`);
    return 2;
  }
}

process.exitCode = exitCode();
