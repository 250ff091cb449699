/**
 * values.ts: one value against one row: from YAML as it was parsed, or from the text of an environment variable.
 */
import { unreachable } from "@varve/base";
import type { IntegerSetting, ListSetting, Setting } from "./setting.js";

export type SettingValue = number | string | boolean | null | readonly string[];

/** The value, or everything that is wrong with it, in words that follow "path ". */
export type Checked = { readonly value: SettingValue } | { readonly problems: readonly string[] };

/** A variable's text in the type that the row wants; left as it is when it cannot be, so that the check names the problem. */
export function fromText(setting: Setting, text: string): unknown {
  switch (setting.type) {
    case "integer":
      return /^-?[0-9]+$/.test(text.trim()) ? Number(text) : text;
    case "boolean":
      return text === "true" ? true : text === "false" ? false : text;
    case "list":
      return text.split(",").map((item) => item.trim());
    default:
      return text;
  }
}

export function checkValue(setting: Setting, value: unknown): Checked {
  if (value === null && setting.default === null) return { value };
  switch (setting.type) {
    case "integer":
      return checkInteger(setting, value);
    case "boolean":
      return typeof value === "boolean" ? { value } : wrongType("true or false", value);
    case "choice":
      return typeof value === "string" && setting.choices.includes(value)
        ? { value }
        : wrongType(`one of ${setting.choices.join(", ")}`, value);
    case "text":
      return checkText(setting, value, `text of 1 to ${setting.lengthMax} characters`);
    case "list":
      return checkList(setting, value);
    default:
      return unreachable(setting);
  }
}

function checkInteger(setting: IntegerSetting, value: unknown): Checked {
  const range = integerRange(setting);
  if (typeof value !== "number" || !Number.isInteger(value)) return wrongType(`an integer in ${range}`, value);
  if (setting.unlimited === true && value === -1) return { value };
  if (value < setting.min || value > setting.max) return { problems: [`must be in ${range}, got ${value}`] };
  return { value };
}

/** The allowed values of an integer row in words. */
export function integerRange({ min, max, unit, unlimited }: IntegerSetting): string {
  return `${min} .. ${max}${unit === "" ? "" : ` ${unit}`}${unlimited === true ? " or -1 for no bound" : ""}`;
}

interface TextRule {
  readonly lengthMax: number;
  readonly problem?: (value: string) => string | null;
}

function checkText(rule: TextRule, value: unknown, expected: string): Checked {
  if (typeof value !== "string") return wrongType(expected, value);
  if (value.length === 0 || value.length > rule.lengthMax)
    return { problems: [`must be ${expected}, got ${value.length}`] };
  const problem = rule.problem?.(value) ?? null;
  return problem === null ? { value } : { problems: [problem] };
}

const ITEM_LENGTH_MAX = 300;

function checkList(setting: ListSetting, value: unknown): Checked {
  const { lengthMin, lengthMax, problem } = setting;
  const expected = `a list of ${lengthMin} to ${lengthMax} texts`;
  if (!Array.isArray(value)) return wrongType(expected, value);
  if (value.length < lengthMin || value.length > lengthMax)
    return { problems: [`must be ${expected}, got ${value.length}`] };
  const rule: TextRule =
    problem === undefined ? { lengthMax: ITEM_LENGTH_MAX } : { lengthMax: ITEM_LENGTH_MAX, problem };
  const problems: string[] = [];
  const items = value.flatMap((item: unknown, at) => {
    const checked = checkText(rule, item, `text of 1 to ${ITEM_LENGTH_MAX} characters`);
    if ("problems" in checked) problems.push(...checked.problems.map((text) => `item ${at + 1}: ${text}`));
    return typeof item === "string" ? [item] : [];
  });
  return problems.length > 0 ? { problems } : { value: Object.freeze(items) };
}

function wrongType(expected: string, value: unknown): Checked {
  const shown = JSON.stringify(value) ?? typeof value;
  return { problems: [`must be ${expected}, got ${shown.length > 60 ? `${shown.slice(0, 60)}...` : shown}`] };
}
