/**
 * kind-nodes.ts: what Kubernetes has no command for: nodes that die, processes that are killed, packets that are lost, disks that are slow. With kind
 * a node is a container of this machine's engine, so `docker` can do all of it; on other clusters these scenarios are skipped.
 *
 * Sources: kind.sigs.k8s.io (nodes are containers with containerd, crictl and iptables in them), docs.kernel.org, "Control Group v2" (io.max).
 */
import type { Node, Pod } from "./objects.js";
import { CommandFailed, type World } from "./runner.js";

/** What kind puts before the names of its nodes. */
const PROVIDER = "kind://";
/** Syncs a second that a slow disk still does. */
const SLOW_WRITES_PER_SECOND = 20;

export class KindNodes {
  private constructor(private readonly world: World) {}

  /** null: these are no nodes of kind, or `docker` does not answer. */
  static async find(world: World, nodes: readonly Node[]): Promise<KindNodes | null> {
    if (nodes.length === 0 || nodes.some(({ spec }) => spec.providerID?.startsWith(PROVIDER) !== true)) return null;
    const { code } = await world.run(["docker", "version", "--format", "{{.Server.Version}}"]);
    return code === 0 ? new KindNodes(world) : null;
  }

  /** Ends a node at once, as a power cut does. */
  async kill(node: string): Promise<void> {
    await this.docker(["kill", node]);
  }

  async start(node: string): Promise<void> {
    await this.docker(["start", node]);
  }

  async restart(nodes: readonly string[]): Promise<void> {
    await this.docker(["restart", "--time", "0", ...nodes], 180_000);
  }

  /** kill -9 to the container of a pod: from inside nobody can kill process 1. */
  async killContainer({ spec, status }: Pod): Promise<void> {
    await this.on(spec.nodeName, ["crictl", "stop", "--timeout", "0", containerOf(status)]);
  }

  /** Drops what the pods `from` send to `to`; one way. What `cut` did is undone by `mend` with the same arguments. */
  async cut(from: readonly Pod[], to: Pod): Promise<void> {
    for (const rule of rules(from, to)) await this.on(to.spec.nodeName, ["iptables", "-I", "FORWARD", ...rule]);
  }

  async mend(from: readonly Pod[], to: Pod): Promise<void> {
    for (const rule of rules(from, to)) await this.on(to.spec.nodeName, ["iptables", "-D", "FORWARD", ...rule]);
  }

  /** Lets a pod's disk do a few writes a second only. @throws CommandFailed where the kernel does not offer that. */
  async slowDisk({ spec, status }: Pod): Promise<() => Promise<void>> {
    const node = spec.nodeName;
    const group = (
      await this.on(node, ["find", "/sys/fs/cgroup", "-type", "d", "-name", `*${containerOf(status)}*`])
    ).split("\n")[0];
    const source = (await this.on(node, ["findmnt", "-no", "SOURCE", "-T", "/var"])).trim().replace(/\[.*$/, "");
    const disk = (await this.on(node, ["lsblk", "-ndo", "PKNAME", source])).trim() || source.replace("/dev/", "");
    const device = (await this.on(node, ["cat", `/sys/class/block/${disk}/dev`])).trim();
    const limit = (writes: string): Promise<string> =>
      this.on(node, ["sh", "-c", `echo "${device} wiops=${writes}" > "${group}/io.max"`]);
    await limit(String(SLOW_WRITES_PER_SECOND));
    return async () => {
      await limit("max");
    };
  }

  private on(node: string | undefined, command: readonly string[]): Promise<string> {
    return this.docker(["exec", node ?? "", ...command]);
  }

  private async docker(args: readonly string[], timeoutMs = 60_000): Promise<string> {
    const argv = ["docker", ...args];
    const result = await this.world.run(argv, { timeoutMs });
    if (result.code !== 0) throw new CommandFailed(argv, result);
    return result.stdout;
  }
}

function containerOf({ containerStatuses }: Pod["status"]): string {
  return (containerStatuses?.[0]?.containerID ?? "").replace("containerd://", "");
}

/** Packets between pods are forwarded by the nodes under the pods' own addresses. */
function rules(from: readonly Pod[], to: Pod): string[][] {
  return from.map(({ status }) => ["-s", status.podIP ?? "", "-d", to.status.podIP ?? "", "-j", "DROP"]);
}
