/**
 * install.ts: 5.1: `helm install` to three ready brokers within a minute, `helm test`, the commands that NOTES print, and the same by
 * kustomize.
 */
import { imageText, type KubeSettings } from "../settings.js";
import { notesCommands } from "./notes-commands.js";
import { type Context, expect, type Place, type Scenario } from "./scenario.js";

const PROGRAM_MS = 120_000;
const REPLICAS = 3;
/** With images to be fetched and volumes to be made. */
const READY_IN_MS = 60_000;
/** In the place of a namespace. */
const NAMESPACE = "NAMESPACE";

export const install: Scenario = {
  id: "5.1",
  name: "install",
  title: "helm install, helm test, the commands of NOTES; kustomize",
  underLoad: false,
  run: async (context) => {
    let commands: readonly string[] = [];
    await context.inNamespace("helm", async (there) => {
      commands = await byHelm(context, there);
    });
    await context.inNamespace("kustomize", (there) => byKustomize(context, there, commands));
  },
};

/** @returns the commands that NOTES print. */
async function byHelm(context: Context, there: Place): Promise<readonly string[]> {
  const { world, baseline, note, settings } = context;
  const { kubectl, helm, cluster } = there;
  const beganMs = world.nowMs();
  await helm.install(baseline);
  readyIn(context, "helm install", world.nowMs() - beganMs);
  await cluster.whenWhole(REPLICAS);
  await helm.test();
  const commands = notesCommands(await helm.notes());
  expect(commands.length >= 5, `NOTES print ${commands.length} commands, fewer than five`);
  await runAsPrinted(context, commands);
  const endedMs = world.nowMs();
  await helm.uninstall();
  const claims = await kubectl.run(["get", "pvc", "-o", "name"]);
  const left = claims.split("\n").filter((line) => line !== "").length;
  expect(left === REPLICAS, `volumes after helm uninstall: ${claims}`);
  note(`helm uninstall: ${seconds(world.nowMs() - endedMs)}, its 3 volumes stay; image ${settings.image.tag}`);
  return commands.map((command) => command.replaceAll(kubectl.namespace, NAMESPACE));
}

async function byKustomize(context: Context, { kubectl, cluster }: Place, commands: readonly string[]): Promise<void> {
  const { world, settings } = context;
  const built = await kubectl.run(["kustomize", settings.kustomizeBase]);
  const beganMs = world.nowMs();
  await kubectl.apply(adapted(built, settings));
  await cluster.rolledOut();
  readyIn(context, "kubectl apply of the kustomize base", world.nowMs() - beganMs);
  await cluster.whenWhole(REPLICAS);
  await runAsPrinted(
    context,
    commands
      .filter((command) => !command.startsWith("helm "))
      .map((command) => command.replaceAll(NAMESPACE, kubectl.namespace)),
  );
}

/** The base with this run's image and class of storage, as an overlay would give it both. @throws Error: it is another text than this expects. */
export function adapted(built: string, { image, storageClass }: Pick<KubeSettings, "image" | "storageClass">): string {
  const withImage = built.replace(/^(\s*image: ).*varve:.*$/gm, `$1${JSON.stringify(imageText(image))}`);
  expect(withImage.includes(imageText(image)), "the kustomize base names no image of Varve");
  if (storageClass === null) return withImage;
  const line = `storageClassName: ${JSON.stringify(storageClass)}`;
  const withClass = withImage.replace(/^( *)accessModes:$/gm, `$1${line}\n$&`);
  expect(withClass.includes(line), "the kustomize base has no claims");
  return withClass;
}

/** Runs what a reader is asked to run; what was produced must be consumed. */
async function runAsPrinted({ world }: Context, commands: readonly string[]): Promise<void> {
  for (const command of commands) {
    const { code, stdout, stderr } = await world.run(["bash", "-c", command], { timeoutMs: PROGRAM_MS });
    expect(code === 0, `as NOTES print it: ${command}: exit code ${code}: ${stdout}${stderr}`);
    if (command.includes("varve consume")) expect(stdout.includes("hello"), `${command} wrote ${stdout}`);
  }
  expect(
    commands.some((command) => command.includes("varve consume")),
    "NOTES do not say how to consume",
  );
}

function readyIn({ note }: Context, what: string, ms: number): void {
  note(`${what} to 3/3 ready: ${seconds(ms)}`);
  expect(ms < READY_IN_MS, `${what} took ${seconds(ms)} to 3/3 ready, more than ${seconds(READY_IN_MS)}`);
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
