/**
 * reference.ts: the table of settings as data to print: `varve config reference`.
 */
import { SETTING_ROWS } from "./rows.js";
import type { Setting } from "./setting.js";

export interface ConfigReferenceRow {
  /** Dotted place in the YAML file. */
  readonly path: string;
  /** Environment variable, which wins over the file. */
  readonly env: string;
  readonly type: Setting["type"];
  /** Must be set by the operator. */
  readonly required: boolean;
  /** null: unset, and `effect` says what that means, or required. */
  readonly default: number | string | boolean | readonly string[] | null;
  /** For integers the least value, for texts and lists the least length; null for the others. */
  readonly min: number | null;
  readonly max: number | null;
  /** Whether -1 = no bound is allowed beside `min .. max`. */
  readonly unlimited: boolean;
  /** ms, bytes, records, partitions, replicas; empty for plain numbers and texts. */
  readonly unit: string;
  /** Allowed words; empty when any value of the type is. */
  readonly choices: readonly string[];
  readonly effect: string;
}

/** One row per setting, in the order of the table. */
export function configReference(): readonly ConfigReferenceRow[] {
  return SETTING_ROWS.map(({ path, env, setting }) => ({
    path,
    env,
    type: setting.type,
    required: setting.default === undefined,
    default: setting.default ?? null,
    ...limitsOf(setting),
    choices: setting.type === "choice" ? setting.choices : [],
    effect: setting.effect,
  }));
}

function limitsOf(setting: Setting): Pick<ConfigReferenceRow, "min" | "max" | "unlimited" | "unit"> {
  switch (setting.type) {
    case "integer":
      return { min: setting.min, max: setting.max, unlimited: setting.unlimited ?? false, unit: setting.unit };
    case "text":
      return { min: 1, max: setting.lengthMax, unlimited: false, unit: "" };
    case "list":
      return { min: setting.lengthMin, max: setting.lengthMax, unlimited: false, unit: "" };
    default:
      return { min: null, max: null, unlimited: false, unit: "" };
  }
}
