/** options.ts: what a fake `helm` or `kubectl` needs to know of its arguments, and what the chart's schema says of values. */
import { readFileSync } from "node:fs";

const SCHEMA = JSON.parse(
  readFileSync(new URL("../../../deploy/helm/varve/values.schema.json", import.meta.url), "utf8"),
) as Schema;

interface Schema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
}

export interface HelmOptions {
  /** Of all `--set` and `--set-string`. */
  readonly set: Readonly<Record<string, string>>;
  readonly flags: ReadonlySet<string>;
  /** Why helm would refuse the values. */
  readonly problems: readonly string[];
}

export function optionsOf(args: readonly string[]): HelmOptions {
  const set: Record<string, string> = {};
  const problems: string[] = [];
  args.forEach((arg, at) => {
    if (arg !== "--set" && arg !== "--set-string") return;
    const [key = "", ...rest] = (args[at + 1] ?? "").split("=");
    const value = rest.join("=");
    set[key] = value.replaceAll("\\", "");
    const given = arg === "--set" ? typeOf(value) : "string";
    const wanted = [typesOf(key)].flat();
    if (/(?<!\\),/.test(value)) problems.push(`key ${JSON.stringify(value.split(",").at(-1))} has no value`);
    else if (!wanted.includes(given))
      problems.push(`${key}: Invalid type. Expected: ${wanted.join("/")}, given: ${given}`);
  });
  return { set, flags: new Set(args.filter((arg) => arg.startsWith("--"))), problems };
}

/** What helm takes a value of `--set` for. */
function typeOf(value: string): string {
  if (/^(?:0|-?[1-9]\d*)$/.test(value)) return "integer";
  return ["true", "false"].includes(value) ? "boolean" : value === "null" ? "null" : "string";
}

function typesOf(key: string): string | readonly string[] {
  const found = key.split(".").reduce<Schema | undefined>((schema, part) => schema?.properties?.[part], SCHEMA);
  // An enumeration without a type is one of strings here; quantities are strings, too.
  return found === undefined ? "nothing: there is no such value" : (found.type ?? "string");
}

/** The arguments that are names. */
export function noOptions(args: readonly string[]): string[] {
  return args.filter((arg, at) => !arg.startsWith("-") && args[at - 1] !== "-l");
}
