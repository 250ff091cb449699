/**
 * tools.ts: the outside programs that tests of deploy/ use, where they are on the machine. `deploy/install-tools.sh` gets them.
 */
import { type ChildProcessWithoutNullStreams, execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;
/** Against what hangs. */
const RUN_MS_MAX = 120_000;

/** The repository's root, with a slash at its end. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
export const DEPLOY = `${ROOT}deploy/`;
export const CHART = `${DEPLOY}helm/varve`;

export type Tool = "helm" | "kubeconform" | "kubectl" | "promtool";

const WORKS: Readonly<Record<Tool, readonly string[]>> = {
  helm: ["version", "--short"],
  kubeconform: ["-v"],
  kubectl: ["version", "--client"],
  promtool: ["--version"],
};

/** Whether one of the programs is missing; says so, since its tests are skipped then. */
export function lacks(...tools: readonly Tool[]): boolean {
  const missing = tools.filter((tool) => spawnSync(tool, WORKS[tool], { timeout: RUN_MS_MAX }).status !== 0);
  for (const tool of missing) console.warn(`skipped: ${tool} is not on PATH; deploy/install-tools.sh gets it`);
  return missing.length > 0;
}

/** Runs a program to its end and returns what it wrote to stdout; what it wrote to stderr is in the error of one that fails. */
export function run(tool: Tool, args: readonly string[], input?: string): string {
  return execFileSync(tool, args, {
    encoding: "utf8",
    maxBuffer: OUTPUT_BYTES_MAX,
    timeout: RUN_MS_MAX,
    stdio: ["pipe", "pipe", "pipe"],
    ...(input === undefined ? {} : { input }),
  });
}

/** How a program ends on `input`: whether well, and all that it says. */
export function judge(
  tool: Tool,
  args: readonly string[],
  input: string,
): { readonly ok: boolean; readonly said: string } {
  const { status, stdout, stderr } = spawnSync(tool, args, {
    encoding: "utf8",
    input,
    timeout: RUN_MS_MAX,
    maxBuffer: OUTPUT_BYTES_MAX,
  });
  return { ok: status === 0, said: `${stdout}${stderr}` };
}

/** Waits for the end of a program that runs beside the test: its code, and all that it says. */
export async function endOf(
  child: ChildProcessWithoutNullStreams,
): Promise<{ readonly code: number; readonly said: string }> {
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
  const [code] = (await once(child, "close")) as [number];
  return { code, said };
}
