/**
 * load-config-file.ts: a broker's settings from a YAML file (or none) and this process's environment.
 */
import { readFileSync, statSync } from "node:fs";
import { KIB } from "@varve/base";
import { parseDocument } from "yaml";
import { type BrokerConfig, type Environment, invalidConfig, judgeConfig, parseConfig } from "../config/index.js";
import { tlsFileProblems } from "./security.js";

/** Largest file that is read. */
const FILE_BYTES_MAX = 256 * KIB;
/** Uses of YAML aliases, so that a small file cannot grow in memory. */
const ALIASES_MAX = 100;

/**
 * Reads and checks the settings; `file` null: from the environment alone.
 * @throws VarveError INVALID_CONFIG: the file cannot be read, is not YAML (with line and column), or details.problems lists what is wrong.
 */
export function loadConfigFile(file: string | null, env: Environment = process.env): BrokerConfig {
  return parseConfig(file === null ? null : readYaml(file), env, readSmall);
}

/**
 * All that is wrong with the settings and with the TLS files that they name: what would end a start here. Reads, and changes nothing.
 * @throws VarveError INVALID_CONFIG: the file cannot be read or is not YAML.
 */
export async function configFileProblems(file: string, env: Environment = process.env): Promise<readonly string[]> {
  const { config, problems } = judgeConfig(readYaml(file), env, readSmall);
  return [...problems, ...(await tlsFileProblems(config))];
}

function readYaml(file: string): unknown {
  const document = parseDocument(readText(file), { prettyErrors: true, uniqueKeys: true });
  const problems = [...document.errors, ...document.warnings].map((error) => `${file}: ${error.message}`);
  if (problems.length > 0) throw invalidConfig(problems);
  try {
    return document.toJS({ maxAliasCount: ALIASES_MAX });
  } catch (error) {
    throw invalidConfig([`${file}: ${error instanceof Error ? error.message : String(error)}`]);
  }
}

function readText(file: string): string {
  try {
    return readSmall(file);
  } catch (error) {
    throw invalidConfig([`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`]);
  }
}

function readSmall(file: string): string {
  const { size } = statSync(file);
  if (size > FILE_BYTES_MAX) throw new Error(`has ${size} bytes, at most ${FILE_BYTES_MAX} are read`);
  return readFileSync(file, "utf8");
}
