/** config.ts: `varve config check` and `varve config reference`: a broker's settings, before it runs. */
import { isVarveError } from "@varve/base";
import type { Command } from "commander";
import { QuietFailure } from "../shell/failure.js";
import { globalOptions } from "../shell/global-options.js";
import { printResult, type Shell } from "../shell/shell.js";
import type { Style } from "../shell/style.js";

type ReferenceRow = Awaited<ReturnType<typeof reference>>[number];

export function registerConfig(parent: Command, shell: Shell): void {
  const config = parent.command("config").summary("check and explain settings").description("A broker's settings.");
  config
    .command("check")
    .description(
      "Says everything that is wrong with a configuration and with the TLS files that it names; exit code 1 if anything is.",
    )
    .argument("<file>", "YAML file; VARVE_* variables win over it, as at the start of a broker")
    .addHelpText("after", "\nExample:\n  varve config check /etc/varve/broker.yaml\n")
    .action((file: string, _: object, command: Command) => check(shell, file, globalOptions(command, shell.env).json));
  config
    .command("reference")
    .description("Every setting with its default, range, unit, effect and variable.")
    .addHelpText("after", "\nExamples:\n  varve config reference\n  varve config reference --json\n")
    .action(async (_: object, command: Command) => {
      const rows = await reference();
      printResult(shell, globalOptions(command, shell.env).json, rows, (style) =>
        rows.map((row) => entry(row, style)).join("\n"),
      );
    });
}

async function reference() {
  const { configReference } = await import("@varve/broker");
  return configReference();
}

async function check(shell: Shell, file: string, json: boolean): Promise<void> {
  const problems = await problemsOf(file, shell);
  const valid = problems.length === 0;
  printResult(shell, json, { file, valid, problems }, () =>
    valid ? `${file} is valid\n` : `${file} is not valid:\n${problems.map((problem) => `  - ${problem}\n`).join("")}`,
  );
  if (!valid) throw new QuietFailure();
}

async function problemsOf(file: string, shell: Shell): Promise<readonly string[]> {
  const { configFileProblems } = await import("@varve/broker/node");
  try {
    return await configFileProblems(file, shell.env);
  } catch (error) {
    if (!isVarveError(error)) throw error;
    const { problems } = error.details;
    return Array.isArray(problems) ? problems : [error.message];
  }
}

function entry(row: ReferenceRow, style: Style): string {
  const facts = [`default ${defaultText(row)}`, rangeText(row)].filter((text) => text !== "");
  return [`${style.bold(row.path)}  ${style.dim(row.env)}\n`, `    ${facts.join("; ")}\n`, `    ${row.effect}\n`].join(
    "",
  );
}

function defaultText({ required, default: value, unit }: ReferenceRow): string {
  if (required) return "none, must be set";
  if (value === null) return "unset";
  if (Array.isArray(value)) return value.join(",");
  return value === -1 ? "-1 (unlimited)" : `${value}${unit === "" ? "" : ` ${unit}`}`;
}

function rangeText({ type, min, max, unit, unlimited, choices }: ReferenceRow): string {
  if (choices.length > 0) return `one of ${choices.join(", ")}`;
  if (type === "boolean") return "true or false";
  if (min === null || max === null) return "";
  const of = type === "integer" ? unit : type === "text" ? "characters" : "entries";
  return `${min} .. ${max}${of === "" ? "" : ` ${of}`}${unlimited ? ", or -1 = unlimited" : ""}`;
}
