/** kustomize.ts: what kustomize builds, made comparable with what the chart renders. */
import { join } from "node:path";
import type { KubeObject } from "./chart.js";
import { DEPLOY } from "./tools.js";

export const KUSTOMIZE = join(DEPLOY, "kustomize");

/** Objects by kind and name, without what only Helm makes. */
export function comparable(objects: readonly KubeObject[]): Record<string, unknown> {
  const kept = objects.filter(({ metadata }) => metadata.annotations?.["helm.sh/hook"] === undefined);
  return Object.fromEntries(
    kept.map((object) => {
      const { "helm.sh/chart": _, "app.kubernetes.io/managed-by": __, ...labels } = object.metadata.labels ?? {};
      return [`${object.kind}/${object.metadata.name}`, { ...object, metadata: { ...object.metadata, labels } }];
    }),
  );
}
