/**
 * parse-config.ts: a broker's settings from a parsed YAML file and the environment, or everything that is wrong with them at once.
 *
 * Invariants:
 *   F1  a problem never hides another: unknown keys, wrong values and broken relations are reported together; a relation is left
 *       out only while one of its settings is itself wrong
 *   F2  a variable wins over the file; an empty variable counts as not set
 *   F4  templates are filled in before anything is checked: what is wrong with an address is wrong with the one that others would get
 *   F3  the result is frozen, through all levels
 */
import { VarveError } from "@varve/base";
import { closest } from "./did-you-mean.js";
import { relationProblems } from "./relations.js";
import { SETTING_ROWS, type SettingRow } from "./rows.js";
import type { Setting } from "./setting.js";
import { type BrokerConfig, SETTINGS } from "./settings.js";
import { type Environment, fillTemplate } from "./template.js";
import { type Checked, checkValue, fromText, type SettingValue } from "./values.js";

/** Edits between a mistyped key and the one that is suggested. */
const KEY_DISTANCE_MAX = 3;
/** Closer than for keys: a Kubernetes service called varve sets VARVE_PORT, two edits away from VARVE_HOST. */
const ENV_DISTANCE_MAX = 1;
/** Unknown keys that one error lists. */
const UNKNOWN_KEYS_MAX = 100;
/** Variables of the command line, which are no settings of a broker. */
const OTHER_VARIABLES: ReadonlySet<string> = new Set([
  "VARVE_BOOTSTRAP",
  "VARVE_CONFIG",
  "VARVE_CLIENT_TLS",
  "VARVE_CLIENT_TLS_CA_FILE",
  "VARVE_CLIENT_TLS_CERT_FILE",
  "VARVE_CLIENT_TLS_KEY_FILE",
  "VARVE_CLIENT_TLS_SERVER_NAME",
]);

/**
 * The settings from `raw` (a parsed file; null or undefined = none) and `env`. `readFile`: the text of a file that a setting names; null: no file is read.
 * @throws VarveError INVALID_CONFIG; details.problems lists all that is wrong.
 */
export function parseConfig(raw: unknown, env: Environment = {}, readFile: ReadFile | null = null): BrokerConfig {
  const { config, problems } = judgeConfig(raw, env, readFile);
  if (problems.length > 0) throw invalidConfig(problems);
  return config;
}

export interface JudgedConfig {
  /** With problems: a setting that is wrong has its default here, or another value of its type. */
  readonly config: BrokerConfig;
  readonly problems: readonly string[];
}

/** The same for those who have more to check. @throws VarveError INVALID_CONFIG: `raw` holds no settings at all. */
export function judgeConfig(raw: unknown, env: Environment, readFile: ReadFile | null): JudgedConfig {
  const file = raw ?? {};
  if (!isRecord(file)) throw invalidConfig(["the file must hold settings by name, as in brokerId: 1"]);
  const problems = [...unknownKeys(file, []).slice(0, UNKNOWN_KEYS_MAX), ...unknownVariables(env)];
  const wrongPaths = new Set<string>();
  const tree: ConfigTree = {};
  for (const row of SETTING_ROWS) {
    const found = rowValue(row, file, env);
    if ("problems" in found) {
      wrongPaths.add(row.path);
      problems.push(...found.problems);
    }
    put(tree, row.keys, "problems" in found ? standIn(row.setting) : found.value);
  }
  problems.push(...takeRackFromFile(tree, readFile));
  const config = freeze(tree);
  problems.push(...relationProblems(config, wrongPaths));
  return { config, problems };
}

/** The text of a small file. @throws Error whose message says why not. */
export type ReadFile = (path: string) => string;

/** The rack, where it is not set and a file has it; what is wrong with that. */
function takeRackFromFile(tree: ConfigTree, readFile: ReadFile | null): readonly string[] {
  const { rack, rackFile } = tree;
  if (readFile === null || rack !== null || typeof rackFile !== "string") return [];
  try {
    const text = readFile(rackFile).trim();
    const checked: Checked = text === "" ? { value: null } : checkValue(SETTINGS.rack, text);
    if ("problems" in checked) return checked.problems.map((problem) => `rackFile: the rack in ${rackFile} ${problem}`);
    tree["rack"] = checked.value;
    return [];
  } catch (error) {
    return [`rackFile: ${rackFile} cannot be read: ${error instanceof Error ? error.message : String(error)}`];
  }
}

interface ConfigTree {
  [name: string]: SettingValue | ConfigTree;
}

/** The value that a row gets, or what is wrong with what it was given. */
function rowValue(
  row: SettingRow,
  file: Readonly<Record<string, unknown>>,
  env: Environment,
): { readonly value: SettingValue } | { readonly problems: readonly string[] } {
  const { setting, path } = row;
  const variable = env[row.env];
  const fromEnv = variable !== undefined && variable !== "";
  const given = fromEnv ? fromText(setting, variable) : lookUp(file, row.keys);
  if (given === undefined) {
    if (setting.default !== undefined) return { value: setting.default };
    return { problems: [`${path} must be set, in the file or as ${row.env}: ${setting.effect}`] };
  }
  const checked = filledAndChecked(setting, given, fromEnv ? variable : given, env);
  if ("value" in checked) return checked;
  const name = fromEnv ? `${row.env} (${path})` : path;
  return { problems: checked.problems.map((problem) => `${name} ${problem}`) };
}

/** F4. `text`: the value as it was written. */
function filledAndChecked(setting: Setting, given: unknown, text: unknown, env: Environment): Checked {
  if (setting.template !== true || typeof text !== "string") return checkValue(setting, given);
  const filled = fillTemplate(text, env);
  if ("problems" in filled) return filled;
  return checkValue(setting, filled.text === text ? given : fromText(setting, filled.text));
}

/** Any value of a row's type, so that relations of other settings can be judged. */
function standIn(setting: Setting): SettingValue {
  if (setting.default !== undefined) return setting.default;
  return setting.type === "integer" ? setting.min : setting.type === "list" ? [] : "";
}

function lookUp(file: Readonly<Record<string, unknown>>, keys: readonly string[]): unknown {
  let node: unknown = file;
  for (const key of keys) {
    if (!isRecord(node) || !Object.hasOwn(node, key)) return undefined;
    node = node[key];
  }
  return node;
}

function put(tree: ConfigTree, keys: readonly string[], value: SettingValue): void {
  const [key, ...rest] = keys;
  if (key === undefined) return;
  if (rest.length === 0) {
    tree[key] = value;
    return;
  }
  const known = tree[key];
  const branch: ConfigTree = isBranch(known) ? known : {};
  tree[key] = branch;
  put(branch, rest, value);
}

function isBranch(node: SettingValue | ConfigTree | undefined): node is ConfigTree {
  return typeof node === "object" && node !== null && !Array.isArray(node);
}

/** SETTING_ROWS names every field of BrokerConfig, and every value has been checked against its row or is a stand-in of its type. */
function freeze(tree: ConfigTree): BrokerConfig {
  const deepFreeze = (branch: ConfigTree): void => {
    for (const node of Object.values(branch)) if (isBranch(node)) deepFreeze(node);
    Object.freeze(branch);
  };
  deepFreeze(tree);
  return tree as unknown as BrokerConfig;
}

function unknownKeys(node: Readonly<Record<string, unknown>>, above: readonly string[]): string[] {
  return Object.entries(node).flatMap(([key, value]) => {
    const keys = [...above, key];
    const path = keys.join(".");
    if (SETTING_ROWS.some((row) => row.path === path)) return [];
    if (!SETTING_ROWS.some((row) => row.path.startsWith(`${path}.`))) return [unknownKey(path, key)];
    if (value === null) return [];
    return isRecord(value)
      ? unknownKeys(value, keys)
      : [`${path} must hold settings by name, got ${JSON.stringify(value)}`];
  });
}

function unknownKey(path: string, key: string): string {
  const paths = SETTING_ROWS.map((row) => row.path);
  const groups = [...new Set(SETTING_ROWS.flatMap((row) => (row.keys.length > 1 ? row.keys.slice(0, 1) : [])))];
  const misplaced = SETTING_ROWS.find((row) => row.keys.at(-1)?.toLowerCase() === key.toLowerCase());
  const meant = misplaced?.path ?? closest(path, [...paths, ...groups], KEY_DISTANCE_MAX);
  const hint = meant === null ? "see varve config reference" : `did you mean ${meant}?`;
  return `${path.slice(0, 200)} is not a setting; ${hint}`;
}

/** Variables that look like a mistyped one of ours. Others that begin with VARVE_ may be someone else's: service links of Kubernetes. */
function unknownVariables(env: Environment): string[] {
  const known = SETTING_ROWS.map((row) => row.env);
  return Object.keys(env)
    .filter((name) => name.startsWith("VARVE_") && !known.includes(name) && !OTHER_VARIABLES.has(name))
    .flatMap((name) => {
      const meant = closest(name, known, ENV_DISTANCE_MAX);
      return meant === null ? [] : [`the variable ${name} is not a setting; did you mean ${meant}?`];
    });
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** All problems of a configuration in one error. */
export function invalidConfig(problems: readonly string[]): VarveError {
  const count = problems.length === 1 ? "a problem" : `${problems.length} problems`;
  return new VarveError("INVALID_CONFIG", {
    message: `the configuration has ${count}:\n${problems.map((problem) => `  - ${problem}`).join("\n")}`,
    details: { problems },
  });
}
