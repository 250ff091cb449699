/** install.ts: 5.1: `helm install` to three ready brokers, `helm test`, the commands that NOTES print, and the same by kustomize. */
import { notesCommands } from "./notes-commands.js";
import { type Context, expect, type Place, type Scenario } from "./scenario.js";

const PROGRAM_MS = 120_000;

export const install: Scenario = {
  id: "5.1",
  name: "install",
  title: "helm install, helm test, the commands of NOTES; kustomize",
  underLoad: false,
  run: async (context) => {
    await context.inNamespace("helm", (there) => byHelm(context, there));
    await context.inNamespace("kustomize", (there) => byKustomize(context, there));
  },
};

async function byHelm({ world, baseline, note, settings }: Context, { kubectl, helm, cluster }: Place): Promise<void> {
  const beganMs = world.nowMs();
  await helm.install(baseline);
  note(`helm install to 3/3 ready: ${seconds(world.nowMs() - beganMs)}`);
  await cluster.whenWhole(3);
  await helm.test();
  const commands = notesCommands(await helm.notes());
  expect(commands.length >= 5, `NOTES print ${commands.length} commands, fewer than five`);
  for (const command of commands) {
    const { code, stdout, stderr } = await world.run(["bash", "-c", command], { timeoutMs: PROGRAM_MS });
    expect(code === 0, `as NOTES print it: ${command}: exit code ${code}: ${stdout}${stderr}`);
    if (command.includes("varve consume")) expect(stdout.includes("hello"), `${command} wrote ${stdout}`);
  }
  const endedMs = world.nowMs();
  await helm.uninstall();
  const claims = await kubectl.run(["get", "pvc", "-o", "name"]);
  expect(claims.split("\n").filter((line) => line !== "").length === 3, `volumes after helm uninstall: ${claims}`);
  note(`helm uninstall: ${seconds(world.nowMs() - endedMs)}, its 3 volumes stay; image ${settings.image.tag}`);
}

async function byKustomize({ world, note, settings }: Context, { kubectl, cluster }: Place): Promise<void> {
  const beganMs = world.nowMs();
  const built = await kubectl.run(["kustomize", settings.kustomizeBase]);
  const { repository, tag } = settings.image;
  const manifest = built.replace(/^(\s*image: ).*varve:.*$/gm, `$1${repository}:${tag}`);
  expect(manifest.includes(`${repository}:${tag}`), "the kustomize base names no image of Varve");
  await kubectl.apply(manifest);
  await cluster.rolledOut();
  await cluster.whenWhole(3);
  note(`kubectl apply of the kustomize base to 3/3 ready: ${seconds(world.nowMs() - beganMs)}`);
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
