/**
 * policy.ts: what must hold of every pod that the chart makes, whatever the values: the restricted Pod Security Standard and what this
 * project asks beside it. Pure: objects to what is broken.
 *
 * Source of the first part: https://kubernetes.io/docs/concepts/security/pod-security-standards/, profile restricted.
 */
import { at, type KubeObject } from "./chart.js";

export interface PodSpec {
  readonly containers: readonly Record<string, unknown>[];
  readonly initContainers?: readonly Record<string, unknown>[];
  readonly volumes?: readonly Record<string, unknown>[];
  readonly terminationGracePeriodSeconds?: number;
  readonly [part: string]: unknown;
}

/** Kinds of volumes that the restricted profile allows. */
const VOLUMES: ReadonlySet<string> = new Set([
  "configMap",
  "csi",
  "downwardAPI",
  "emptyDir",
  "ephemeral",
  "persistentVolumeClaim",
  "projected",
  "secret",
]);
const OPS_PORT = "http-ops";

/** The brokers' pod, and all of them by the name of what makes them. */
export function podSpecs(objects: readonly KubeObject[]): {
  readonly broker: PodSpec;
  readonly all: ReadonlyMap<string, PodSpec>;
} {
  const all = new Map<string, PodSpec>();
  for (const object of objects) {
    const spec = object.kind === "Pod" ? object["spec"] : at(object, "spec", "template", "spec");
    if (spec !== undefined && object.kind !== "PrometheusRule")
      all.set(`${object.kind}/${object.metadata.name}`, spec as PodSpec);
  }
  const broker = [...all].find(([name]) => name.startsWith("StatefulSet/"))?.[1];
  if (broker === undefined) throw new Error("there is no StatefulSet");
  return { broker, all };
}

/** What is wrong with a set of objects; empty: nothing. */
export function broken(objects: readonly KubeObject[]): string[] {
  const { all, broker } = podSpecs(objects);
  return [
    ...[...all].flatMap(([name, spec]) => podProblems(spec).map((why) => `${name}: ${why}`)),
    ...brokerRules(broker).map((why) => `brokers: ${why}`),
    ...budgetRules(objects),
  ];
}

/** What is wrong with one pod. */
export function podProblems(spec: PodSpec): string[] {
  return [...podRules(spec), ...containersOf(spec).flatMap(containerRules)];
}

function containersOf(spec: PodSpec): readonly Record<string, unknown>[] {
  return [...spec.containers, ...(spec.initContainers ?? [])];
}

function podRules(spec: PodSpec): string[] {
  const kinds = (spec.volumes ?? []).flatMap((volume) => Object.keys(volume).filter((key) => key !== "name"));
  return wrong({
    "runs as root":
      at(spec, "securityContext", "runAsNonRoot") !== true || at(spec, "securityContext", "runAsUser") === 0,
    "has no seccomp profile": at(spec, "securityContext", "seccompProfile", "type") !== "RuntimeDefault",
    "shares the node's namespaces": ["hostNetwork", "hostPID", "hostIPC"].some((key) => spec[key] === true),
    "has a volume of the node": kinds.some((kind) => !VOLUMES.has(kind)),
    "mounts a token of Kubernetes": spec["automountServiceAccountToken"] !== false,
    "gets variables of services": spec["enableServiceLinks"] !== false,
  });
}

function containerRules(container: Record<string, unknown>): string[] {
  const security = container["securityContext"];
  const image = String(container["image"]);
  const memory = at(container, "resources", "limits", "memory");
  return wrong({
    "may gain rights": at(security, "allowPrivilegeEscalation") !== false || at(security, "privileged") === true,
    "has capabilities": JSON.stringify(at(security, "capabilities")) !== '{"drop":["ALL"]}',
    "writes to its root": at(security, "readOnlyRootFilesystem") !== true,
    "has no limit of memory, or requests less":
      memory === undefined || at(container, "resources", "requests", "memory") !== memory,
    "requests no processor": at(container, "resources", "requests", "cpu") === undefined,
    "has a port of the node": ((container["ports"] ?? []) as { hostPort?: number }[]).some(
      ({ hostPort }) => hostPort !== undefined,
    ),
    [`has an image that changes: ${image}`]: !/(?::(?!latest$)[\w.-]+|@sha256:[0-9a-f]{64})$/.test(image),
  });
}

function brokerRules(spec: PodSpec): string[] {
  const [container] = spec.containers;
  return ["startupProbe", "livenessProbe", "readinessProbe"].flatMap((probe) =>
    wrong({
      [`${probe} does not ask the operators' port`]: at(container, probe, "httpGet", "port") !== OPS_PORT,
      [`${probe} runs a program`]: at(container, probe, "exec") !== undefined,
      [`${probe} has no time limit`]: at(container, probe, "timeoutSeconds") === undefined,
    }),
  );
}

function budgetRules(objects: readonly KubeObject[]): string[] {
  const set = objects.find(({ kind }) => kind === "StatefulSet");
  const budget = objects.find(({ kind }) => kind === "PodDisruptionBudget");
  return wrong({
    "no budget of disruptions": budget === undefined,
    "the budget is not of one pod": at(budget, "spec", "maxUnavailable") !== 1,
    "the budget is of other pods":
      JSON.stringify(at(budget, "spec", "selector")) !== JSON.stringify(at(set, "spec", "selector")),
    "volumes go with their pods":
      JSON.stringify(at(set, "spec", "persistentVolumeClaimRetentionPolicy")) !==
      '{"whenDeleted":"Retain","whenScaled":"Retain"}',
    "pods start one by one": at(set, "spec", "podManagementPolicy") !== "Parallel",
  });
}

function wrong(rules: Readonly<Record<string, boolean>>): string[] {
  return Object.entries(rules).flatMap(([why, isBroken]) => (isBroken ? [why] : []));
}
