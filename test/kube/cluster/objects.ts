/** objects.ts: the parts of Kubernetes' objects that the scenarios look at. Source: kubernetes.io, API reference v1 and apps/v1. */

interface Meta {
  readonly name: string;
  readonly uid?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

interface ContainerState {
  readonly running?: object;
  readonly waiting?: { readonly reason?: string };
  readonly terminated?: { readonly reason?: string; readonly exitCode: number };
}

export interface Pod {
  readonly metadata: Meta;
  readonly spec: { readonly nodeName?: string; readonly containers: readonly { readonly image: string }[] };
  readonly status: {
    readonly phase?: string;
    readonly podIP?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly {
      readonly containerID?: string;
      readonly restartCount: number;
      readonly state?: ContainerState;
      readonly lastState?: ContainerState;
    }[];
  };
}

export interface Node {
  readonly metadata: Meta;
  readonly spec: {
    readonly providerID?: string;
    readonly unschedulable?: boolean;
    readonly taints?: readonly { readonly key: string; readonly effect: string }[];
  };
  readonly status: {
    readonly addresses?: readonly { readonly type: string; readonly address: string }[];
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly nodeInfo?: { readonly kubeletVersion: string };
  };
}

export interface Claim {
  readonly metadata: Meta;
  readonly spec: { readonly volumeName?: string };
}

export interface List<T> {
  readonly items: readonly T[];
}

/** Ready, and not on its way out. */
export function isReady({ metadata, status }: Pod | Node): boolean {
  if (metadata.deletionTimestamp !== undefined) return false;
  return status.conditions?.some(({ type, status: state }) => type === "Ready" && state === "True") === true;
}

/** Whether pods without tolerations are put there, but for a cordon, which is taken away again. */
export function takesPods({ spec }: Node): boolean {
  return (spec.taints ?? []).every(({ key, effect }) => key === CORDON || effect === "PreferNoSchedule");
}

const CORDON = "node.kubernetes.io/unschedulable";

/** It runs, or has run: the image is there, the volume mounted. */
export function hasStarted(pod: Pod): boolean {
  return pod.status.containerStatuses?.[0]?.state?.running !== undefined || restartsOf(pod) > 0;
}

/** Why its container does not run, or ended last; null: it never had trouble. */
export function troubleOf({ status }: Pod): string | null {
  const [container] = status.containerStatuses ?? [];
  const ended = container?.state?.terminated ?? container?.lastState?.terminated;
  if (ended !== undefined && ended.exitCode !== 0) return `${ended.reason ?? "ended"}, exit code ${ended.exitCode}`;
  return container?.state?.waiting?.reason ?? null;
}

/** Times that its container was started again. */
export function restartsOf({ status }: Pod): number {
  return status.containerStatuses?.[0]?.restartCount ?? 0;
}
