/** varve-cluster.ts: the brokers of one release: their pods, the command line inside of them, and when all is well. */

import { OWN_PREFIX } from "../load/plan.js";
import type { Helm } from "./helm.js";
import type { Kubectl } from "./kubectl.js";
import { isReady, type Pod } from "./objects.js";
import { type RunOptions, type RunResult, until } from "./runner.js";

/** A start may recover a volume, and a pull of the image comes before it. */
export const READY_MS = 300_000;
const HEALTH_MS = 15_000;
/** A group whose members were killed has them until their sessions end. */
const FORGET_MS = 60_000;

export class VarveCluster {
  readonly selector: string;

  constructor(
    readonly kubectl: Kubectl,
    readonly helm: Helm,
  ) {
    this.selector = `app.kubernetes.io/name=varve,app.kubernetes.io/instance=${helm.release}`;
  }

  get statefulSet(): string {
    return `statefulset/${this.helm.release}`;
  }

  podName(ordinal: number): string {
    return `${this.helm.release}-${ordinal}`;
  }

  /** By name. */
  pods(): Promise<readonly Pod[]> {
    return this.kubectl.pods(this.selector);
  }

  async pod(ordinal: number): Promise<Pod> {
    return this.kubectl.pod(this.podName(ordinal));
  }

  async readyCount(): Promise<number> {
    return (await this.pods()).filter(isReady).length;
  }

  /** Runs `varve ARGS` in a broker's pod that is ready. */
  async varve(args: readonly string[], options: RunOptions = {}): Promise<string> {
    return this.kubectl.exec(await this.anyReady(), ["varve", ...args], options);
  }

  async attemptVarve(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return this.kubectl.attempt(["exec", await this.anyReady(), "--", "varve", ...args], options);
  }

  /**
   * Waits until so many brokers are ready, and every partition is led and fully replicated. `pods`: how many there are; more than are ready where
   * some were decommissioned, since those are never ready again. Default: as many.
   */
  async whenWhole(brokers: number, pods = brokers, deadlineMs = READY_MS): Promise<void> {
    const { world } = this.kubectl;
    await until(world, `${brokers} ready brokers`, deadlineMs, async () => {
      const found = await this.pods();
      const ready = found.filter(isReady).length;
      return (ready === brokers && found.length === pods) || `${ready} of ${found.length} pods are ready`;
    });
    await until(world, "a healthy cluster", deadlineMs, () => this.health());
  }

  /** true, or what `varve cluster health` complains of. */
  async health(): Promise<true | string> {
    const { code, stdout, stderr } = await this.attemptVarve(["cluster", "health"], { timeoutMs: HEALTH_MS });
    return code === 0 || `${stdout}${stderr}`.trim();
  }

  /** Waits for the StatefulSet's roll. */
  rolledOut(): Promise<string> {
    return this.kubectl.run(["rollout", "status", this.statefulSet, "--timeout=15m"], { timeoutMs: 930_000 });
  }

  /**
   * Deletes what loads have left, whatever became of them: their topics, whose records fill the volumes that the next load needs, and their groups.
   * The cluster must be whole.
   */
  async forgetLoads(): Promise<void> {
    const isOwn = (name: string): boolean => name.startsWith(OWN_PREFIX);
    const topics = JSON.parse(await this.varve(["topic", "list", "--json"])) as readonly { readonly topic: string }[];
    for (const { topic } of topics) if (isOwn(topic)) await this.varve(["topic", "delete", topic]);
    await until(this.kubectl.world, "groups of loads to be deleted", FORGET_MS, async () => {
      const groups = JSON.parse(await this.varve(["group", "list", "--json"])) as readonly { readonly group: string }[];
      const left = groups.map(({ group }) => group).filter(isOwn);
      // One that still has members is refused; one whose offsets went with their topic goes with its last member.
      for (const group of left) await this.attemptVarve(["group", "delete", group]);
      return left.length === 0 || `${left.join(", ")} are left`;
    });
  }

  /** Deletes the claims of brokers that are no more: a broker that left is refused on its old volume for ever. */
  async forgetVolumes(brokers: number): Promise<void> {
    const kept = new Set(Array.from({ length: brokers }, (_, ordinal) => `data-${this.podName(ordinal)}`));
    for (const { metadata } of await this.kubectl.claims(this.selector))
      if (!kept.has(metadata.name)) await this.kubectl.run(["delete", "pvc", metadata.name, "--ignore-not-found"]);
  }

  /** Runs `act` and counts ready brokers meanwhile. @returns the smallest number that was seen. */
  async fewestReady(act: () => Promise<unknown>): Promise<number> {
    let fewest = Number.POSITIVE_INFINITY;
    let goesOn = true;
    const watching = (async () => {
      while (goesOn) {
        fewest = Math.min(fewest, await this.readyCount().catch(() => Number.POSITIVE_INFINITY));
        await this.kubectl.world.pause(WATCH_MS);
      }
    })();
    try {
      await act();
    } finally {
      goesOn = false;
      await watching;
    }
    return fewest;
  }

  /** Waits until a pod of that name is another one than before. */
  async whenReplaced(name: string, uid: string | undefined, deadlineMs = READY_MS): Promise<void> {
    await until(this.kubectl.world, `a new ${name}`, deadlineMs, async () => {
      const { metadata } = await this.kubectl.pod(name);
      return metadata.uid !== uid || "it is still the old one";
    });
  }

  private async anyReady(): Promise<string> {
    const pods = await this.pods();
    const pod = pods.find(isReady) ?? pods[0];
    if (pod === undefined) throw new Error("there is no broker");
    return pod.metadata.name;
  }
}

const WATCH_MS = 500;
