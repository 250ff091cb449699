/**
 * template.ts: places in the text of a setting that are filled in at the start, so that one file or one pod template serves many brokers, and what
 * each of them advertises is known before it runs.
 *
 * `${NAME}` is a variable of the environment. `{ordinal}` and `{ordinal+N}` are the number after the last dash of HOSTNAME, as a StatefulSet names
 * its pods, and that number plus N. Whatever else has braces stays as it is.
 */
import type { Environment } from "./parse-config.js";

/** The text, filled in; or what is wrong with it, in words that follow "path ". */
export type Filled = { readonly text: string } | { readonly problems: readonly string[] };

const PLACE = /\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\{ordinal(?:\+([0-9]{1,9}))?\}/g;
const ORDINAL = /-([0-9]{1,9})$/;

export function fillTemplate(template: string, env: Environment): Filled {
  const problems: string[] = [];
  const text = template.replaceAll(PLACE, (place: string, name: string | undefined, added = "0") => {
    const value = name === undefined ? ordinal(env, Number(added)) : (env[name] ?? "");
    if (value !== null && value !== "") return value;
    problems.push(
      name === undefined
        ? `has ${place}, but the variable HOSTNAME (${JSON.stringify(env["HOSTNAME"] ?? "")}) does not end in a dash and a number`
        : `has ${place}, but the variable ${name} is not set`,
    );
    return place;
  });
  return problems.length > 0 ? { problems } : { text };
}

function ordinal(env: Environment, added: number): string | null {
  const digits = ORDINAL.exec(env["HOSTNAME"] ?? "")?.[1];
  return digits === undefined ? null : String(Number(digits) + added);
}
