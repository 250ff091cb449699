/**
 * fake-cluster.ts: as much of a Kubernetes with Varve on it as the scenarios look at: brokers' pods that take time to become ready, rolls that wait for
 * them, nodes, claims, members of the cluster. For tests of the scenarios alone: it shows that their commands and expectations fit together, and
 * nothing about Kubernetes.
 */
import type { Node, Pod } from "../cluster/objects.js";
import { FakeLoads } from "./fake-loads.js";

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
  /** There is one node, which runs everything, as minikube and k3d may have it. */
  readonly hasOneNode?: boolean;
  /** Time from a pod's start until it is ready. Default 5 s. */
  readonly readyAfterMs?: number;
  /** So many histories break off on their way, although the command succeeds. Default 0. */
  readonly breaksOff?: number;
  /** Records are not to be had again in namespaces with this in their names. */
  readonly forgetsIn?: string;
  /** A changed certificate is taken over by restarts. */
  readonly restartsForCertificates?: boolean;
}

const STEP_MS = 500;
/** From a change to what the controller does about it. */
const NOTICED_MS = 100;
const READY_AFTER_MS = 5_000;
/** From a pod's end to the object of the next one. */
const ABSENT_MS = 600;
/** From a pod's object to a container that runs, or whose image turns out not to be there. */
const CREATED_MS = 3_000;
/** Nobody has heard of a dead node, or of pods whose node restarted, for so long. */
const UNHEARD_MS = { node: 40_000, restart: 4_000 } as const;
const ROLL_PAUSE_MS = 10_000;
const CONTROL_PLANE = "node-role.kubernetes.io/control-plane";
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
  /** From when on there is an object. */
  readonly bornAtMs: number;
  /** Its container ended and nobody has heard of it; null: what is told of it is true. */
  staleUntilMs: number | null;
  readyAtMs: number;
  restarts: number;
  /** Not accepted by the cluster: its volume is empty. */
  refused: boolean;
  /** Waits for its node. */
  homeless: boolean;
}

const BAD_IMAGE = "does-not-exist";
const LITTLE = "24Mi";

function canRun({ template }: FakePod): boolean {
  return !template.image.endsWith(BAD_IMAGE) && !template.memory.endsWith(LITTLE);
}

/** The id of its container; another one after each restart. */
export function containerOf({ uid, restarts }: FakePod): string {
  return `c${uid}-${restarts}`;
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
  readonly loads = new FakeLoads(() => this.cluster.nowMs);
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
    for (const pod of this.pods) {
      if (this.isReady(pod, nowMs)) this.members.add(pod.ordinal + 1);
      if (pod.staleUntilMs === null || nowMs < pod.staleUntilMs) continue;
      pod.staleUntilMs = null;
      pod.restarts += 1;
    }
    if (this.rollAtMs === null || nowMs < this.rollAtMs) return;
    const old = this.pods.filter(({ template }) => template !== this.template).reverse();
    // A parallel StatefulSet waits for what it has replaced, not for pods that are still to go.
    const isLate = (pod: FakePod): boolean => pod.template === this.template && !this.isReady(pod, nowMs);
    if (!this.cluster.flaws.rollsOn && this.pods.some(isLate)) return;
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
    return this.isMidRoll || this.pods.some((pod) => !this.isReady(pod));
  }

  /** Pods are still to be replaced, however well they look. */
  get isMidRoll(): boolean {
    return this.rollAtMs !== null;
  }

  /** Those that have an object. */
  get visible(): readonly FakePod[] {
    return this.pods.filter(({ bornAtMs }) => bornAtMs <= this.cluster.nowMs);
  }

  /** Its node was restarted: all that is told of it is old for a while. */
  restartNodeOf(pod: FakePod): void {
    pod.staleUntilMs = this.cluster.nowMs + UNHEARD_MS.restart;
    pod.readyAtMs = pod.staleUntilMs + READY_AFTER_MS;
  }

  /** Whether its container runs; a program can be run in it then. */
  isRunning(pod: FakePod): boolean {
    const { readyAtMs, homeless, node, staleUntilMs } = pod;
    const createdAtMs = readyAtMs - READY_AFTER_MS + CREATED_MS;
    const isUp = staleUntilMs === null && !homeless && !this.cluster.down.has(node);
    return isUp && canRun(pod) && this.cluster.nowMs >= createdAtMs;
  }

  /** What the API server believes. */
  private looksReady(pod: FakePod): boolean {
    if (pod.staleUntilMs !== null) return true;
    return this.cluster.down.has(pod.node) ? !this.cluster.isKnownDown(pod.node) : this.isReady(pod);
  }

  isReady(pod: FakePod, nowMs = this.cluster.nowMs): boolean {
    const { readyAtMs, refused, homeless, node } = pod;
    const isMember = !this.left.has(pod.ordinal + 1);
    return canRun(pod) && isMember && nowMs >= readyAtMs && !refused && !homeless && !this.cluster.down.has(node);
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
    const isReady = this.looksReady(pod);
    const isCreated = this.cluster.nowMs >= pod.bornAtMs + CREATED_MS;
    const waiting = (reason: string): object => ({ state: { waiting: { reason } } });
    const trouble = !isCreated
      ? waiting("ContainerCreating")
      : template.image.endsWith(BAD_IMAGE)
        ? waiting("ImagePullBackOff")
        : template.memory.endsWith(LITTLE)
          ? { lastState: { terminated: { reason: "OOMKilled", exitCode: 137 } } }
          : this.isRunning(pod)
            ? { state: { running: {} } }
            : {};
    return {
      metadata: { name: `varve-${ordinal}`, uid },
      spec: { ...(pod.homeless ? {} : { nodeName: node }), containers: [{ image: template.image }] },
      status: {
        podIP: `10.244.0.${ordinal + 10}`,
        conditions: [{ type: "Ready", status: isReady ? "True" : "False" }],
        containerStatuses: [{ containerID: `containerd://${containerOf(pod)}`, restartCount: restarts, ...trouble }],
      },
    };
  }

  private roll(): void {
    this.rollAtMs = this.cluster.nowMs + NOTICED_MS;
  }

  private newPod(ordinal: number): FakePod {
    const isEmpty = !this.claims.has(ordinal);
    if (isEmpty) this.claims.set(ordinal, `claim-${uids++}`);
    const node = this.cluster.flaws.hasOneNode ? NODES[0] : (NODES[1 + (ordinal % 3)] ?? NODES[1]);
    return {
      ordinal,
      node,
      template: this.template,
      uid: `pod-${uids++}`,
      bornAtMs: this.cluster.nowMs + ABSENT_MS,
      staleUntilMs: null,
      readyAtMs: this.cluster.nowMs + (this.cluster.flaws.readyAfterMs ?? READY_AFTER_MS),
      restarts: 0,
      refused: isEmpty && this.members.has(ordinal + 1) && this.cluster.flaws.emptyVolumeIsFine !== true,
      homeless: this.cluster.cordoned.has(node),
    };
  }
}

export class FakeCluster {
  nowMs = 0;
  readonly cordoned = new Set<string>();
  /** Nodes that are dead, and since when. */
  readonly down = new Map<string, number>();
  readonly releases = new Map<string, FakeRelease>();
  /** Everything that was applied. */
  readonly applied: string[] = [];

  constructor(readonly flaws: Flaws = {}) {}

  release(namespace: string): FakeRelease {
    const found = this.releases.get(namespace) ?? new FakeRelease(this, namespace);
    this.releases.set(namespace, found);
    return found;
  }

  /** In small steps: whoever waits long finds all that would have happened meanwhile. */
  advance(ms: number): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; ) {
      this.nowMs = Math.min(endMs, this.nowMs + STEP_MS);
      for (const release of this.releases.values()) release.tick(this.nowMs);
    }
  }

  isKnownDown(node: string): boolean {
    return this.nowMs - (this.down.get(node) ?? this.nowMs) >= UNHEARD_MS.node;
  }

  /** Pods of all releases that are on these nodes. */
  *on(nodes: readonly string[]): Generator<[FakeRelease, FakePod]> {
    for (const release of this.releases.values())
      for (const pod of release.pods) if (nodes.includes(pod.node)) yield [release, pod];
  }

  nodes(): readonly Node[] {
    const { hasOneNode } = this.flaws;
    return (hasOneNode ? NODES.slice(0, 1) : NODES).map((name, at) => ({
      metadata: { name, labels: at === 0 ? { [CONTROL_PLANE]: "" } : {} },
      spec: {
        providerID: `kind://docker/kind/${name}`,
        ...(at === 0 && !hasOneNode ? { taints: [{ key: CONTROL_PLANE, effect: "NoSchedule" }] } : {}),
        ...(this.cordoned.has(name) ? { unschedulable: true } : {}),
      },
      status: {
        addresses: [{ type: "InternalIP", address: `172.18.0.${at + 2}` }],
        conditions: [{ type: "Ready", status: this.isKnownDown(name) ? "Unknown" : "True" }],
        nodeInfo: { kubeletVersion: "v1.33.1" },
      },
    }));
  }
}
