/** conform.ts: judges objects strictly by Kubernetes' own schemas, which lie in test/fixtures/kubernetes; what is unknown there is an error. */
import { judge, ROOT } from "./tools.js";

const SCHEMAS = `${ROOT}test/fixtures/kubernetes`;
const place = (folder: string): string => `${SCHEMAS}/${folder}/{{.ResourceKind}}{{.KindSuffix}}.json`;

/** The oldest and the newest version whose schemas are there. */
export const VERSIONS = ["v1.30", "v1.35"] as const;

/** Whether all objects of a YAML text have only what there is, and all that must be; and what is wrong. */
export function conform(version: (typeof VERSIONS)[number], text: string): { ok: boolean; said: string } {
  const places = ["-schema-location", place(version), "-schema-location", place("custom")];
  return judge("kubeconform", ["-strict", ...places, "-"], text);
}
