/** pod-load.ts: a load in a pod of the cluster, steered by `kubectl exec`. */
import type { Kubectl } from "./kubectl.js";
import { LoadHandle } from "./load-handle.js";
import { type LoadPodOptions, loadManifest, PROGRAM_FOLDER } from "./load-manifest.js";
import { until } from "./runner.js";

const SCHEDULED_MS = 120_000;

/** Resolves when records are acknowledged. @throws Error with what the pod wrote; nothing is left then. */
export async function startPodLoad(kubectl: Kubectl, options: Omit<LoadPodOptions, "namespace">): Promise<LoadHandle> {
  const { name, plan } = options;
  await removePod(kubectl, name);
  await kubectl.apply(loadManifest({ ...options, namespace: kubectl.namespace }));
  try {
    const load = new LoadHandle({
      name,
      node: await nodeOf(kubectl, name),
      ask: (args, run) => kubectl.exec(name, ["node", `${PROGRAM_FOLDER}/kube/load/ask.js`, ...args], run),
      remove: () => removePod(kubectl, name),
    });
    await load.whenSteady(kubectl.world, plan);
    return load;
  } catch (error) {
    const { stdout, stderr } = await kubectl.attempt(["logs", name, "--tail=20"]);
    await removePod(kubectl, name);
    throw new Error(`the load did not begin: ${error}\n${stdout}${stderr}`.trim());
  }
}

async function nodeOf(kubectl: Kubectl, name: string): Promise<string> {
  let node = "";
  await until(kubectl.world, `a node for ${name}`, SCHEDULED_MS, async () => {
    node = (await kubectl.pod(name)).spec.nodeName ?? "";
    return node !== "" || "none";
  });
  return node;
}

async function removePod(kubectl: Kubectl, name: string): Promise<void> {
  await kubectl.run(["delete", "pod", name, "--ignore-not-found", "--grace-period=0", "--force"]);
  await kubectl.run(["delete", "configmap", name, "--ignore-not-found"]);
}
