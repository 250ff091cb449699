/** kubectl.ts: `kubectl` as typed calls, always in one namespace. Answers are read from its JSON, never from text for people. */
import type { Claim, List, Node, Pod } from "./objects.js";
import { CommandFailed, type RunOptions, type RunResult, type World } from "./runner.js";

export class Kubectl {
  constructor(
    readonly world: World,
    readonly namespace: string,
  ) {}

  /** The same in another namespace. */
  in(namespace: string): Kubectl {
    return new Kubectl(this.world, namespace);
  }

  /** @throws CommandFailed. */
  async run(args: readonly string[], options: RunOptions = {}): Promise<string> {
    const argv = this.argv(args);
    const result = await this.world.run(argv, options);
    if (result.code !== 0) throw new CommandFailed(argv, result);
    return result.stdout;
  }

  /** How it ends, well or not. */
  attempt(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return this.world.run(this.argv(args), options);
  }

  async json<T>(args: readonly string[]): Promise<T> {
    return JSON.parse(await this.run([...args, "-o", "json"])) as T;
  }

  async pods(selector: string): Promise<readonly Pod[]> {
    const { items } = await this.json<List<Pod>>(["get", "pods", "-l", selector]);
    return [...items].sort((left, right) => left.metadata.name.localeCompare(right.metadata.name));
  }

  pod(name: string): Promise<Pod> {
    return this.json<Pod>(["get", "pod", name]);
  }

  async claims(selector: string): Promise<readonly Claim[]> {
    return (await this.json<List<Claim>>(["get", "pvc", "-l", selector])).items;
  }

  claim(name: string): Promise<Claim> {
    return this.json<Claim>(["get", "pvc", name]);
  }

  async nodes(): Promise<readonly Node[]> {
    return (await this.json<List<Node>>(["get", "nodes"])).items;
  }

  /** Makes or changes objects: `manifest` is YAML or JSON. */
  apply(manifest: string): Promise<string> {
    return this.run(["apply", "-f", "-"], { input: manifest });
  }

  /** Runs a program in a pod. */
  exec(pod: string, command: readonly string[], options: RunOptions = {}): Promise<string> {
    return this.run(["exec", pod, "--", ...command], options);
  }

  /** A namespace that takes restricted pods only; it may be there already. */
  async makeNamespace(): Promise<void> {
    const labels = { "pod-security.kubernetes.io/enforce": "restricted" };
    await this.apply(
      JSON.stringify({ apiVersion: "v1", kind: "Namespace", metadata: { name: this.namespace, labels } }),
    );
  }

  private argv(args: readonly string[]): string[] {
    return ["kubectl", "--namespace", this.namespace, ...args];
  }
}
