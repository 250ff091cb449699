/**
 * template.ts: places in the text of a setting that are filled in at the start, so that one file or one pod template serves many brokers, and what
 * each of them advertises is known before it runs.
 *
 * `${NAME}` is a variable of the environment. `{ordinal}` and `{ordinal+N}` are the number after the last dash of HOSTNAME, as a StatefulSet names
 * its pods, and that number plus N. Whatever else has braces is refused: a place that is mistyped must not become part of a name.
 */

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The text, filled in; or what is wrong with it, in words that follow "path ". */
export type Filled = { readonly text: string } | { readonly problems: readonly string[] };

/** All that looks like a place, also half of one. */
const PLACE = /\$?\{[^{}]*\}?|\}/g;
const VARIABLE = /^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$/;
const ORDINAL_PLACE = /^\{ordinal(?:\+([0-9]{1,9}))?\}$/;
const ORDINAL = /-([0-9]{1,9})$/;

export function fillTemplate(template: string, env: Environment): Filled {
  const problems: string[] = [];
  const text = template.replaceAll(PLACE, (place) => {
    const filled = fill(place, env);
    if ("text" in filled) return filled.text;
    problems.push(`has ${place}, but ${filled.problem}`);
    return place;
  });
  return problems.length > 0 ? { problems } : { text };
}

function fill(place: string, env: Environment): { readonly text: string } | { readonly problem: string } {
  const name = VARIABLE.exec(place)?.[1];
  if (name !== undefined) {
    const text = env[name] ?? "";
    return text === "" ? { problem: `the variable ${name} is not set` } : { text };
  }
  const match = ORDINAL_PLACE.exec(place);
  if (match === null) return { problem: `only \${NAME}, {ordinal} and {ordinal+N} are filled in` };
  const pod = env["HOSTNAME"] ?? "";
  const digits = ORDINAL.exec(pod)?.[1];
  if (digits !== undefined) return { text: String(Number(digits) + Number(match[1] ?? 0)) };
  return { problem: `the variable HOSTNAME (${JSON.stringify(pod)}) does not end in a dash and a number` };
}
