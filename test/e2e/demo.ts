/**
 * demo.ts: the image and deploy/compose.yaml as somebody meets them first: built, started with one command, healthy, a record in and out, stopped.
 *
 * compose.yaml publishes fixed ports of this machine; where one of them is taken, it is not tried, and that is said.
 */
import { execFileSync } from "node:child_process";
import { createServer } from "node:net";
import { join } from "node:path";
import { nowMs, waitUntil } from "../chaos/clock.js";
import { composeProjectOf, docker } from "./engine.js";
import { ROOT } from "./root.js";

const IMAGE_BYTES_MAX = 250_000_000;
const COMMAND_MS = 120_000;
const HEALTHY_MS = 120_000;
const COMPOSE_FILE = join(ROOT, "deploy/compose.yaml");
const PORTS = [7650, 7652, 7660, 7662, 7670, 7672];
const TOPIC = "demo";

export interface DemoReport {
  /** What was found, for people. */
  readonly facts: readonly string[];
  readonly problems: readonly string[];
}

export async function runDemo(run: string, image: string): Promise<DemoReport> {
  const facts: string[] = [];
  const problems: string[] = [];
  try {
    facts.push(imageFacts(image));
    facts.push(await composeFacts(composeProjectOf(run), image));
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
  }
  return { facts, problems };
}

/** @throws Error when the image is not what its Dockerfile promises. */
function imageFacts(image: string): string {
  const [size = "", user, entry] = docker(
    ["image", "inspect", image, "--format", "{{.Size}} {{.Config.User}} {{json .Config.Entrypoint}}"],
    COMMAND_MS,
  ).split(" ");
  if (Number(size) > IMAGE_BYTES_MAX) throw new Error(`the image has ${size} bytes, more than ${IMAGE_BYTES_MAX}`);
  if (user !== "10001:10001" || entry !== '["/usr/local/bin/varve"]')
    throw new Error(`the image runs ${entry} as ${user}`);
  const restricted = ["--read-only", "--cap-drop", "ALL", "--network", "none"];
  const printed = docker(["run", "--rm", ...restricted, image, "config", "reference"], COMMAND_MS);
  if (!printed.includes("brokerId")) throw new Error(`the image's command line says: ${printed.slice(0, 200)}`);
  return `image: ${Math.round(Number(size) / 1e6)} MB, uid 10001, its command line runs on a read-only root without a capability`;
}

/** @throws Error when what compose.yaml starts is not a healthy cluster, or does not stop in order. */
async function composeFacts(project: string, image: string): Promise<string> {
  const program = composeProgram();
  if (program === null) return "compose: not here (docker compose, or docker-compose)";
  const taken = await takenPorts();
  if (taken.length > 0) return `compose: not tried, ports of this machine are taken: ${taken.join(", ")}`;
  const env = { ...process.env, VARVE_IMAGE: image };
  const compose = (...args: string[]): string =>
    execute(program, ["--file", COMPOSE_FILE, "--project-name", project, ...args], env);
  const startMs = nowMs();
  try {
    compose("up", "--detach");
    await waitUntil("varve cluster health", HEALTHY_MS, async () => {
      varve(["cluster", "health"]); // Throws until it ends with 0.
      return true;
    });
    const healthyMs = nowMs() - startMs;
    varve(["topic", "create", TOPIC]);
    varve(["produce", TOPIC], "first\nsecond\n");
    const read = varve(["consume", TOPIC, "--from", "earliest", "--to", "end"]).split("\n").filter(Boolean).sort();
    if (read.join() !== "first,second") throw new Error(`two records were written, and read: ${read.join()}`);
    const stopMs = nowMs();
    compose("stop");
    const stoppedMs = nowMs() - stopMs;
    const codes = exitCodes(project);
    if (codes.join() !== "0,0,0") throw new Error(`the brokers of compose.yaml ended with ${codes.join()}`);
    return `compose: healthy ${seconds(healthyMs)} s after up; two records written and read; stopped within ${seconds(stoppedMs)} s, each with 0`;
  } finally {
    compose("down", "--volumes");
  }
}

function exitCodes(project: string): string[] {
  const filter = `label=com.docker.compose.project=${project}`;
  const ids = docker(["ps", "--all", "--quiet", "--filter", filter], COMMAND_MS).split("\n");
  return ids.map((id) => docker(["inspect", id, "--format", "{{.State.ExitCode}}"], COMMAND_MS));
}

/** This checkout's command line, with the defaults that the demo has. */
function varve(args: readonly string[], input = ""): string {
  const command = join(ROOT, "packages/cli/bin/varve.js");
  const { VARVE_BOOTSTRAP: _, ...env } = process.env;
  const stdio = "pipe"; // What it says on standard error is in the error that it ends with.
  return execFileSync(process.execPath, [command, ...args], {
    encoding: "utf8",
    env,
    input,
    stdio,
    timeout: COMMAND_MS,
  });
}

/** The newer one first; null: neither is here. */
function composeProgram(): readonly string[] | null {
  for (const program of [["docker", "compose"], ["docker-compose"]]) {
    try {
      execute(program, ["version"], process.env);
      return program;
    } catch {}
  }
  return null;
}

function execute([file = "", ...first]: readonly string[], args: readonly string[], env: NodeJS.ProcessEnv): string {
  const stdio: ["ignore", "pipe", "pipe"] = ["ignore", "pipe", "pipe"];
  return execFileSync(file, [...first, ...args], { encoding: "utf8", env, stdio, timeout: COMMAND_MS });
}

async function takenPorts(): Promise<number[]> {
  const taken: number[] = [];
  for (const port of PORTS) if (!(await isFree(port))) taken.push(port);
  return taken;
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen({ host: "127.0.0.1", port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1);
}
