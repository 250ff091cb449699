/**
 * rows.ts: the table of settings as a flat list, with the path and the variable of each.
 */
import { isSetting, type Setting, type SettingTree } from "./setting.js";
import { SETTINGS } from "./settings.js";

export interface SettingRow {
  /** Place in the file, from the top: ["raft", "heartbeatMs"]. */
  readonly keys: readonly string[];
  /** The keys joined by dots. */
  readonly path: string;
  /** Environment variable, which wins over the file. */
  readonly env: string;
  readonly setting: Setting;
}

/** All settings in the order of the table. */
export const SETTING_ROWS: readonly SettingRow[] = flatten(SETTINGS, []);

function flatten(tree: SettingTree, above: readonly string[]): SettingRow[] {
  return Object.entries(tree).flatMap(([name, node]) => {
    const keys = [...above, name];
    return isSetting(node) ? [{ keys, path: keys.join("."), env: envName(keys), setting: node }] : flatten(node, keys);
  });
}

/** VARVE_ and the path in upper snake case: ["raft", "heartbeatMs"] = VARVE_RAFT_HEARTBEAT_MS. */
export function envName(keys: readonly string[]): string {
  const words = keys.map((key) => key.replaceAll(/[A-Z]/g, (letter) => `_${letter}`));
  return `VARVE_${words.join("_").toUpperCase()}`;
}
