/**
 * kind-nodes.ts: what Kubernetes has no command for: nodes that die, processes that are killed, packets that are lost, disks that are slow. With kind
 * a node is a container of this machine's engine, so `docker` can do all of it; on other clusters these scenarios are skipped.
 *
 * Sources: kind.sigs.k8s.io (nodes are containers with containerd, crictl and iptables in them), docs.kernel.org, "Control Group v2" (io.max).
 */
import type { Node, Pod } from "./objects.js";
import { CommandFailed, type World } from "./runner.js";

/** What kind puts before the names of its nodes. */
const PROVIDER = "kind://docker/";
/** Syncs a second that a slow disk still does. */
const SLOW_WRITES_PER_SECOND = 20;

export class KindNodes {
  private constructor(private readonly world: World) {}

  /** null: these are no nodes of kind, or this machine's `docker` does not know them. */
  static async find(world: World, nodes: readonly Node[]): Promise<KindNodes | null> {
    if (nodes.length === 0 || nodes.some(({ spec }) => spec.providerID?.startsWith(PROVIDER) !== true)) return null;
    const names = nodes.map(({ metadata }) => metadata.name);
    const { code } = await world.run(["docker", "inspect", "--type", "container", "--format", "{{.Id}}", ...names]);
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
    await this.docker(["restart", "-t", "0", ...nodes], 180_000);
  }

  /** kill -9 to the container of a pod: from inside nobody can kill process 1. */
  async killContainer(pod: Pod): Promise<void> {
    await this.on(pod.spec.nodeName, ["crictl", "stop", "--timeout", "0", idOf(pod)]);
  }

  /** Drops what the pods `from` send to `to`; one way. What `cut` did is undone by `mend` with the same arguments. */
  async cut(from: readonly Pod[], to: Pod): Promise<void> {
    for (const rule of rules(from, to)) await this.on(to.spec.nodeName, ["iptables", "-I", "FORWARD", ...rule]);
  }

  async mend(from: readonly Pod[], to: Pod): Promise<void> {
    for (const rule of rules(from, to)) await this.on(to.spec.nodeName, ["iptables", "-D", "FORWARD", ...rule]);
  }

  /** Lets a pod's disk do a few writes a second only. @throws CommandFailed where the kernel does not offer that. */
  async slowDisk(pod: Pod): Promise<() => Promise<void>> {
    const node = pod.spec.nodeName;
    const found = await this.on(node, ["find", "/sys/fs/cgroup", "-type", "d", "-name", `*${idOf(pod)}*`]);
    const [group = ""] = found.split("\n");
    if (group === "") throw new Error(`no group of ${pod.metadata.name} below /sys/fs/cgroup of ${node}`);
    const device = (await this.on(node, ["sh", "-c", DISK_OF_VAR])).trim();
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

/** MAJOR:MINOR of the disk below /var, where kind has the volumes; of the whole one where that is a partition, for limits of partitions there are none. */
const DISK_OF_VAR =
  'disk=/sys/dev/block/$(findmnt -nro MAJ:MIN -T /var); if [ -e "$disk/partition" ]; then disk="$disk/.."; fi; cat "$disk/dev"';

/** The id of its container. */
function idOf({ status }: Pod): string {
  return (status.containerStatuses?.[0]?.containerID ?? "").replace("containerd://", "");
}

/** Packets between pods are forwarded by the nodes under the pods' own addresses. */
function rules(from: readonly Pod[], to: Pod): string[][] {
  return from.map(({ status }) => ["-s", status.podIP ?? "", "-d", to.status.podIP ?? "", "-j", "DROP"]);
}
