/**
 * fake-cluster.ts: as much of a Kubernetes with Varve on it as the scenarios look at: brokers' pods that take time to become ready, rolls that wait for
 * them, nodes, claims, members of the cluster. For tests of the scenarios alone: it shows that their commands and expectations fit together, and
 * nothing about Kubernetes.
 */
import type { Node, Pod } from "../cluster/objects.js";

/** Ways in which this cluster is worse than it should be, for tests that a scenario notices. */
export interface Flaws {
  /** The guard lets brokers go that are members. */
  readonly guardSleeps?: boolean;
  /** The budget lets a second broker be evicted. */
  readonly budgetSleeps?: boolean;
  /** A roll replaces two pods at once. */
  readonly rollsTwo?: boolean;
  /** A roll goes on past a pod that is not ready. */
  readonly rollsOn?: boolean;
  /** Nobody notices that a volume is empty. */
  readonly emptyVolumeIsFine?: boolean;
  /** Longest gap of each partition in each step, milliseconds. Default 200. */
  readonly gapMs?: number;
  /** An acknowledged record is not in the history's reads. */
  readonly losesRecords?: boolean;
  /** A changed certificate is taken over by restarts. */
  readonly restartsForCertificates?: boolean;
}

const READY_AFTER_MS = 5_000;
const ROLL_PAUSE_MS = 10_000;
export const NODES = ["kind-control-plane", "kind-worker", "kind-worker2", "kind-worker3"] as const;

interface Template {
  readonly image: string;
  readonly memory: string;
  /** Changed by whatever else restarts pods. */
  readonly mark: number;
}

interface FakePod {
  readonly ordinal: number;
  readonly node: string;
  readonly template: Template;
  readonly uid: string;
  readyAtMs: number;
  restarts: number;
  /** Not accepted by the cluster: its volume is empty. */
  refused: boolean;
  /** Waits for its node. */
  homeless: boolean;
}

let uids = 0;

/** One release in one namespace. */
export class FakeRelease {
  values: Readonly<Record<string, string>> = {};
  readonly earlier: Readonly<Record<string, string>>[] = [];
  pods: FakePod[] = [];
  claims = new Map<number, string>();
  /** Ids of brokers that are members. */
  readonly members = new Set<number>();
  isBalanced = true;
  level = 1;
  certificateEnds = 1_000;
  private template: Template = { image: "", memory: "1Gi", mark: 0 };
  private rollAtMs: number | null = null;

  constructor(
    private readonly cluster: FakeCluster,
    readonly namespace: string,
  ) {}

  set(values: Readonly<Record<string, string>>): void {
    this.earlier.push(this.values);
    this.values = values;
    const template = {
      image: `${values["image.repository"] ?? "varve"}:${values["image.tag"] ?? "0.1.0"}`,
      memory: values["resources.limits.memory"] ?? "1Gi",
      mark: this.template.mark + (values["external.enabled"] === this.earlier.at(-1)?.["external.enabled"] ? 0 : 1),
    };
    const isNew = JSON.stringify(template) !== JSON.stringify(this.template);
    this.template = template;
    const replicas = Number(values["replicas"] ?? 3);
    if (this.pods.length < replicas && this.pods.length > 0) this.isBalanced = false;
    this.pods = this.pods.filter(({ ordinal }) => ordinal < replicas);
    for (let ordinal = this.pods.length; ordinal < replicas; ordinal++) this.pods.push(this.newPod(ordinal));
    if (isNew) this.roll();
  }

  setMemory(memory: string): void {
    this.template = { ...this.template, memory };
    this.roll();
  }

  restart(): void {
    this.template = { ...this.template, mark: this.template.mark + 1 };
    this.roll();
  }

  /** Moves time on. */
  tick(nowMs: number): void {
    for (const pod of this.pods) if (this.isReady(pod, nowMs)) this.members.add(pod.ordinal + 1);
    if (this.rollAtMs === null || nowMs < this.rollAtMs) return;
    if (!this.cluster.flaws.rollsOn && this.pods.some((pod) => !this.isReady(pod, nowMs))) return;
    const old = this.pods.filter(({ template }) => template !== this.template).reverse();
    for (const pod of old.slice(0, this.cluster.flaws.rollsTwo ? 2 : 1)) this.replace(pod.ordinal);
    this.rollAtMs = old.length === 0 ? null : nowMs + ROLL_PAUSE_MS;
  }

  replace(ordinal: number): void {
    const at = this.pods.findIndex((pod) => pod.ordinal === ordinal);
    const old = this.pods[at];
    if (old === undefined) return;
    const next = this.newPod(ordinal);
    this.pods[at] = { ...next, node: old.node, refused: next.refused || old.refused };
  }

  get isRolling(): boolean {
    return this.rollAtMs !== null || this.pods.some((pod) => !this.isReady(pod));
  }

  isReady(pod: FakePod, nowMs = this.cluster.nowMs): boolean {
    const { template, readyAtMs, refused, homeless, node } = pod;
    const canRun = !template.image.endsWith("does-not-exist") && !template.memory.endsWith("24Mi");
    const isMember = !this.left.has(pod.ordinal + 1);
    return canRun && isMember && nowMs >= readyAtMs && !refused && !homeless && !this.cluster.down.has(node);
  }

  /** true, or what is wrong. */
  health(): true | string {
    const ready = new Set(this.pods.filter((pod) => this.isReady(pod)).map(({ ordinal }) => ordinal + 1));
    const away = [...this.members].filter((id) => !ready.has(id));
    const refused = this.pods.filter((pod) => pod.refused).map(({ ordinal }) => ordinal + 1);
    const left = this.replicatingUntilMs - this.cluster.nowMs;
    if (left > 0) return `${Math.ceil(left / 1_000)} replicas are behind`;
    return away.length + refused.length === 0 || `brokers ${[...away, ...refused].join(", ")} are not ready`;
  }

  private replicatingUntilMs = 0;

  /** `varve broker replace`. */
  accept(broker: number): void {
    const pod = this.pods.find(({ ordinal }) => ordinal === broker - 1);
    if (pod !== undefined) pod.refused = false;
    this.replicatingUntilMs = this.cluster.nowMs + 3_000;
  }

  /** `varve broker decommission`: its pod is left, as one that is no member. */
  leave(broker: number): void {
    this.members.delete(broker);
    this.left.add(broker);
  }

  private readonly left = new Set<number>();

  loseVolume(ordinal: number): void {
    this.claims.delete(ordinal);
  }

  podOf(pod: FakePod): Pod {
    const { ordinal, node, template, uid, restarts } = pod;
    const isReady = this.isReady(pod);
    const trouble = template.image.endsWith("does-not-exist")
      ? { state: { waiting: { reason: "ImagePullBackOff" } } }
      : template.memory.endsWith("24Mi")
        ? { lastState: { terminated: { reason: "OOMKilled", exitCode: 137 } } }
        : {};
    return {
      metadata: { name: `varve-${ordinal}`, uid },
      spec: { ...(pod.homeless ? {} : { nodeName: node }), containers: [{ image: template.image }] },
      status: {
        podIP: `10.244.0.${ordinal + 10}`,
        conditions: [{ type: "Ready", status: isReady ? "True" : "False" }],
        containerStatuses: [{ containerID: `containerd://c${uid}`, restartCount: restarts, ...trouble }],
      },
    };
  }

  private roll(): void {
    this.rollAtMs = this.cluster.nowMs + 1_000;
  }

  private newPod(ordinal: number): FakePod {
    const isEmpty = !this.claims.has(ordinal);
    if (isEmpty) this.claims.set(ordinal, `claim-${uids++}`);
    const node = NODES[1 + (ordinal % 3)] ?? NODES[1];
    return {
      ordinal,
      node,
      template: this.template,
      uid: `pod-${uids++}`,
      readyAtMs: this.cluster.nowMs + READY_AFTER_MS,
      restarts: 0,
      refused: isEmpty && this.members.has(ordinal + 1) && this.cluster.flaws.emptyVolumeIsFine !== true,
      homeless: this.cluster.cordoned.has(node),
    };
  }
}

export class FakeCluster {
  nowMs = 0;
  readonly cordoned = new Set<string>();
  readonly down = new Set<string>();
  readonly releases = new Map<string, FakeRelease>();
  /** Everything that was applied. */
  readonly applied: string[] = [];

  constructor(readonly flaws: Flaws = {}) {}

  release(namespace: string): FakeRelease {
    const found = this.releases.get(namespace) ?? new FakeRelease(this, namespace);
    this.releases.set(namespace, found);
    return found;
  }

  advance(ms: number): void {
    this.nowMs += ms;
    for (const release of this.releases.values()) release.tick(this.nowMs);
  }

  nodes(): readonly Node[] {
    return NODES.map((name, at) => ({
      metadata: { name, labels: at === 0 ? { "node-role.kubernetes.io/control-plane": "" } : {} },
      spec: { providerID: `kind://docker/kind/${name}`, ...(this.cordoned.has(name) ? { unschedulable: true } : {}) },
      status: {
        addresses: [{ type: "InternalIP", address: `172.18.0.${at + 2}` }],
        conditions: [{ type: "Ready", status: this.down.has(name) ? "Unknown" : "True" }],
        nodeInfo: { kubeletVersion: "v1.33.1" },
      },
    }));
  }
}
