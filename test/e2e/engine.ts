/**
 * engine.ts: the container engine that the run uses: whether one answers, its command line, and what of this run it still holds.
 *
 * Everything that a run makes carries its label; `sweep` removes all of it without waiting for anything else, so that it can be the last thing that
 * this process does, however it ends. testcontainers' own sweeper, Ryuk, is an image of a registry, so it is turned off.
 */
import { execFileSync } from "node:child_process";

/** Answers of the engine's command line that are longer than this are none that a run asks for. */
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;
const ANSWER_MS = 20_000;
const LABEL = "varve.e2e";

/** Must be called before testcontainers is first used. */
export function withoutRyuk(): void {
  process.env["TESTCONTAINERS_RYUK_DISABLED"] = "true";
}

/** The label of everything that a run makes. */
export function labelOf(run: string): Readonly<Record<string, string>> {
  return { [LABEL]: run };
}

/** The name under which compose makes everything of a run. */
export function composeProjectOf(run: string): string {
  return `varve-e2e-${run}`;
}

/** Why there is no engine; null: one answers. */
export function engineMissing(): string | null {
  try {
    docker(["version", "--format", "{{.Server.Version}}"], ANSWER_MS);
    return null;
  } catch (error) {
    const said = error instanceof Error ? error.message.trim().split("\n").at(-1) : String(error);
    return `no container engine answers (${said})`;
  }
}

/** Name and version of the engine, for reports. */
export function engineVersion(): string {
  return `Docker ${docker(["version", "--format", "{{.Server.Version}}"], ANSWER_MS)}`;
}

/** One call of the command line. @returns its standard output, trimmed. @throws Error with what it said on standard error. */
export function docker(args: readonly string[], timeoutMs: number): string {
  return execFileSync("docker", [...args], {
    encoding: "utf8",
    maxBuffer: OUTPUT_BYTES_MAX,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: timeoutMs,
  }).trim();
}

/** Removes every container, network and volume of a run, running or not. */
export function sweep(run: string): void {
  for (const label of [`${LABEL}=${run}`, `com.docker.compose.project=${composeProjectOf(run)}`]) {
    const filter = ["--filter", `label=${label}`];
    removeAll(["ps", "--all", "--quiet", ...filter], ["rm", "--force", "--volumes"]);
    removeAll(["network", "ls", "--quiet", ...filter], ["network", "rm"]);
    removeAll(["volume", "ls", "--quiet", ...filter], ["volume", "rm", "--force"]);
  }
}

function removeAll(list: readonly string[], remove: readonly string[]): void {
  try {
    const found = docker(list, ANSWER_MS).split("\n").filter(Boolean);
    if (found.length > 0) docker([...remove, ...found], 6 * ANSWER_MS);
  } catch (error) {
    process.stderr.write(`${remove.join(" ")}: ${error instanceof Error ? error.message : error}\n`);
  }
}
