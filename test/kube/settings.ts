/** settings.ts: what a run is told: by the environment which cluster, images and classes, by arguments which scenarios. */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

export interface KubeSettings {
  /** Namespaces of the run begin with it. */
  readonly namespace: string;
  readonly image: Image;
  /** Of the version before; null: upgrades are not shown. */
  readonly previousImage: Image | null;
  /** Folder of the kustomize base. */
  readonly kustomizeBase: string;
  /** null: the cluster's default class. */
  readonly storageClass: string | null;
  /** Where brokers are reached from here and from pods; null: an address of a node. */
  readonly outsideHost: string | null;
  /** Names of scenarios; empty: all. */
  readonly only: readonly string[];
  /** For histories and the report. */
  readonly folder: string;
  /** Undisturbed load before and after each step. */
  readonly steadyMs: number;
  readonly list: boolean;
}

export interface Image {
  readonly repository: string;
  readonly tag: string;
}

export const USAGE = `npm run test:kube -- [--only NAME,...] [--out FOLDER] [--steady SECONDS] [--list]

  KUBECONFIG                     the cluster; unset: nothing is run
  VARVE_KUBE_IMAGE               image of the brokers, as its nodes know it; default varve:VERSION
  VARVE_KUBE_PREVIOUS_IMAGE      image of the version before, for the upgrade
  VARVE_KUBE_NAMESPACE           default varve-test; others begin with it
  VARVE_KUBE_STORAGE_CLASS       default: the cluster's own
  VARVE_KUBE_OUTSIDE_HOST        a host that leads to the NodePorts from here and from pods; default: a node's address
`;

/** @throws Error with what is wrong. */
export function parseSettings(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  { version, kustomizeBase }: { readonly version: string; readonly kustomizeBase: string },
): KubeSettings {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string", default: "" },
      out: { type: "string", default: "kube-report" },
      steady: { type: "string", default: "10" },
      list: { type: "boolean", default: false },
    },
  });
  const steadyMs = Number(values.steady) * 1_000;
  if (!(steadyMs >= 0)) throw new Error(`--steady must be a number of seconds, not ${values.steady}`);
  const previous = env["VARVE_KUBE_PREVIOUS_IMAGE"];
  return {
    namespace: env["VARVE_KUBE_NAMESPACE"] || "varve-test",
    image: imageOf(env["VARVE_KUBE_IMAGE"] || `varve:${version}`),
    previousImage: previous === undefined || previous === "" ? null : imageOf(previous),
    kustomizeBase,
    storageClass: env["VARVE_KUBE_STORAGE_CLASS"] || null,
    outsideHost: env["VARVE_KUBE_OUTSIDE_HOST"] || null,
    only: values.only.split(",").filter((name) => name !== ""),
    folder: values.out,
    steadyMs,
    list: values.list,
  };
}

/** `registry.example:5000/varve:1.2.3`. @throws Error: no tag. */
export function imageOf(text: string): Image {
  const [, repository, tag] = /^(.+):([\w][\w.-]{0,127})$/.exec(text) ?? [];
  if (repository === undefined || tag === undefined) throw new Error(`an image is REPOSITORY:TAG, not ${text}`);
  return { repository, tag };
}

/** As containers name it. */
export function imageText({ repository, tag }: Image): string {
  return `${repository}:${tag}`;
}

/** The version that the chart installs. */
export function chartVersion(chart: string): string {
  const [, version] = /^appVersion: *"?([^"\n]+)"?$/m.exec(readFileSync(`${chart}/Chart.yaml`, "utf8")) ?? [];
  if (version === undefined) throw new Error(`${chart}/Chart.yaml has no appVersion`);
  return version;
}
