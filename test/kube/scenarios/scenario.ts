/**
 * scenario.ts: what a scenario is, and what it is given.
 *
 * Rules of all of them:
 *   C1  a scenario finds three brokers that are well, under load, and whatever it leaves is mended by `restore` of the run
 *   C2  what is done to the cluster is a step: told to the loads, which measure the longest gap of each partition until it is well again
 *   C3  what a scenario expects it asserts with a sentence that names what was found
 */
import type { Helm, Values } from "../cluster/helm.js";
import type { KindNodes } from "../cluster/kind-nodes.js";
import type { Kubectl } from "../cluster/kubectl.js";
import type { World } from "../cluster/runner.js";
import type { VarveCluster } from "../cluster/varve-cluster.js";
import type { Gaps } from "../load/plan.js";
import type { KubeSettings } from "../settings.js";

/** What this run has to work with. */
export interface Facts {
  readonly settings: KubeSettings;
  /** null: nodes cannot be killed here. */
  readonly nodes: KindNodes | null;
  /** Nodes that take pods. */
  readonly nodeCount: number;
  /** Of the API server, as in 1.MINOR. */
  readonly minor: number;
}

/** A step with its longest gaps. */
export interface StepRow {
  readonly step: string;
  readonly load: string;
  readonly gaps: Gaps;
  readonly seconds: number;
}

/** Another release than that of the run. */
export interface Place {
  readonly kubectl: Kubectl;
  readonly helm: Helm;
  readonly cluster: VarveCluster;
}

export interface OtherCluster {
  readonly place: Place;
  /** Name of the secret with certificates for clients; null: plain text. */
  readonly tlsSecret: string | null;
}

export interface Context extends Facts {
  readonly world: World;
  readonly kubectl: Kubectl;
  readonly helm: Helm;
  readonly cluster: VarveCluster;
  /** Values of the cluster that every scenario begins with. */
  readonly baseline: Values;
  /** Does something to the cluster while the loads run; ends when three brokers, or `brokers` in so many pods, are well again (C2). */
  step(
    name: string,
    target: unknown,
    act: () => Promise<unknown>,
    brokers?: number,
    pods?: number,
  ): Promise<readonly StepRow[]>;
  /** A further load: on this machine, through the brokers' advertised addresses at this host. It ends with the scenario. */
  addOutsideLoad(bootstrap: string): Promise<void>;
  /** A load on the brokers of another namespace, in a pod there; it ends, and is judged, before `work`'s answer is given. */
  underLoad(options: OtherCluster, work: (steps: Pick<Context, "step">) => Promise<void>): Promise<void>;
  /** Another namespace with a release of its own; all of it is removed after `work`. */
  inNamespace(suffix: string, work: (there: Place) => Promise<void>): Promise<void>;
  /** The node of the load; null: it has none. */
  loadNode(): string | null;
  /** The ordinal of a broker that may be broken: 1 or 2, on another node than the load where one of them is. */
  victim(): Promise<number>;
  /** What is worth telling beside gaps. */
  note(text: string): void;
  say(text: string): void;
}

export interface Scenario {
  /** Its line in the table of deploy/README.md. */
  readonly id: string;
  readonly name: string;
  readonly title: string;
  /** false: it makes clusters of its own, and loads if it wants any. Default true. */
  readonly underLoad?: boolean;
  /** Why it cannot run here; null: it can. */
  skip?(facts: Facts): string | null;
  run(context: Context): Promise<void>;
}

/** @throws Error with `what`. */
export function expect(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

/** The longest of all gaps, milliseconds. */
export function longest(rows: readonly StepRow[]): number {
  return Math.max(0, ...rows.flatMap(({ gaps }) => gaps.map(({ ms }) => ms)));
}

/** Planned work may stop a partition for so long. */
export const PLANNED_GAP_MS = 1_000;

export function expectShortGaps(rows: readonly StepRow[], maxMs = PLANNED_GAP_MS): void {
  const ms = longest(rows);
  expect(ms < maxMs, `a partition acknowledged nothing for ${(ms / 1_000).toFixed(2)} s, more than ${maxMs / 1_000} s`);
}

/** For scenarios that end processes, packets or nodes from outside. */
export function needsKind({ nodes }: Facts): string | null {
  return nodes === null ? "needs nodes that this machine's docker runs: a cluster of kind" : null;
}

/** For those that end nodes: one at least must go on, with the load on it. */
export function needsKindNodes(facts: Facts): string | null {
  return needsKind(facts) ?? (facts.nodeCount < 2 ? "needs two nodes" : null);
}

/** @throws Error: the load is on one of these nodes and would die with it. */
export function expectElsewhere(load: string | null, nodes: readonly string[]): void {
  expect(load === null || !nodes.includes(load), `the load is on ${load}, a node that is to die: it would end, too`);
}
