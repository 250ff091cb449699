/** local-load.ts: a load beside the cluster, on this machine: a client outside, which reaches brokers by what they advertise. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import type { LoadPlan } from "../load/plan.js";
import { LoadHandle } from "./load-handle.js";
import { CommandFailed, realWorld } from "./runner.js";

/** Resolves when records are acknowledged. `compiled`: the folder of compiled files. @throws Error; nothing is left then. */
export async function startLocalLoad(plan: LoadPlan, compiled: string, name = "outside"): Promise<LoadHandle> {
  const env = { ...process.env, LOAD_PLAN: JSON.stringify(plan) };
  const child = spawn(process.execPath, [join(compiled, "kube/load/main.js")], {
    env,
    stdio: ["ignore", "ignore", "inherit"],
  });
  const load = new LoadHandle({
    name,
    node: null,
    ask: async ([method = "", path = "", body = ""], options) => {
      const argv = [process.execPath, join(compiled, "kube/load/ask.js"), method, path, body, String(plan.controlPort)];
      const result = await realWorld.run(argv, options);
      if (result.code !== 0) throw new CommandFailed(argv, result);
      return result.stdout;
    },
    remove: () => end(child),
  });
  try {
    await load.whenSteady(realWorld, plan);
    return load;
  } catch (error) {
    await load.remove();
    throw error;
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("close", resolve));
  child.kill("SIGTERM");
  await gone;
}
