/**
 * load-manifest.ts: the pod of a load and the ConfigMap with its program. It runs under the restricted profile, stays away from brokers' nodes where
 * another one can be had, that of a control plane first, and is never restarted: a history that begins anew is none.
 */
import type { LoadPlan } from "../load/plan.js";
import { filesOf, keyOf } from "./load-files.js";

export interface LoadPodOptions {
  readonly name: string;
  readonly namespace: string;
  readonly image: string;
  /** Folder of compiled files. */
  readonly compiled: string;
  readonly plan: LoadPlan;
  /** Name of the secret with the client's certificates; null: plain text. */
  readonly tlsSecret: string | null;
}

/** Beside /app/node_modules of the image, so that the client is found. */
export const PROGRAM_FOLDER = "/app/load";
export const WORK_FOLDER = "/work";
export const TLS_FOLDER = "/etc/varve/tls";

const LABELS = { "app.kubernetes.io/name": "varve-load" };
const RESTRICTED = {
  runAsNonRoot: true,
  runAsUser: 10001,
  runAsGroup: 10001,
  fsGroup: 10001,
  seccompProfile: { type: "RuntimeDefault" },
};

/** Both objects as one manifest, JSON. */
export function loadManifest(options: LoadPodOptions): string {
  const { name, namespace } = options;
  const metadata = { name, namespace, labels: LABELS };
  const files = filesOf(options.compiled);
  const data = Object.fromEntries([...files].map(([path, text]) => [keyOf(path), text]));
  const items = [...files.keys(), "package.json"].map((path) => ({ key: keyOf(path), path }));
  const program = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata,
    data: { ...data, "package.json": '{ "type": "module" }\n' },
  };
  const pod = { apiVersion: "v1", kind: "Pod", metadata, spec: podSpec(options, items) };
  return JSON.stringify({ apiVersion: "v1", kind: "List", items: [program, pod] });
}

function podSpec({ name, image, plan, tlsSecret }: LoadPodOptions, items: readonly object[]): object {
  const secret = tlsSecret === null ? [] : [{ name: "tls", secret: { secretName: tlsSecret } }];
  const secretMount = tlsSecret === null ? [] : [{ name: "tls", mountPath: TLS_FOLDER, readOnly: true }];
  return {
    restartPolicy: "Never",
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 5,
    securityContext: RESTRICTED,
    tolerations: [{ key: "node-role.kubernetes.io/control-plane", operator: "Exists", effect: "NoSchedule" }],
    affinity: {
      nodeAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          {
            weight: 100,
            preference: { matchExpressions: [{ key: "node-role.kubernetes.io/control-plane", operator: "Exists" }] },
          },
        ],
      },
      podAntiAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          {
            weight: 50,
            podAffinityTerm: {
              topologyKey: "kubernetes.io/hostname",
              labelSelector: { matchLabels: { "app.kubernetes.io/name": "varve" } },
            },
          },
        ],
      },
    },
    containers: [
      {
        name: "load",
        image,
        imagePullPolicy: "IfNotPresent",
        command: ["node", `${PROGRAM_FOLDER}/kube/load/main.js`],
        env: [
          { name: "LOAD_PLAN", value: JSON.stringify(plan) },
          { name: "NODE_OPTIONS", value: "--max-old-space-size=1024" },
        ],
        resources: { requests: { cpu: "200m", memory: "2Gi" }, limits: { memory: "2Gi" } },
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        },
        volumeMounts: [
          { name: "program", mountPath: PROGRAM_FOLDER, readOnly: true },
          { name: "work", mountPath: WORK_FOLDER },
          ...secretMount,
        ],
      },
    ],
    volumes: [
      { name: "program", configMap: { name, items } },
      { name: "work", emptyDir: { sizeLimit: "4Gi" } },
      ...secret,
    ],
  };
}
