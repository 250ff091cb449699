/**
 * node-zone.mjs: in an init container: writes the zone of the pod's node to a file, where the broker finds its rack (rackFile). For Kubernetes before
 * 1.35, which does not copy it to pods. A node without a zone makes an empty file: no rack.
 *
 *   NODE_NAME=name node node-zone.mjs TOKEN_FILE OUT
 *
 * Where Kubernetes does not answer, what an earlier start of the pod wrote holds; without it the exit code is 1, and the kubelet tries again. The
 * authority of the API server is in NODE_EXTRA_CA_CERTS.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";

const ANSWER_MS = 10_000;
const LABEL = "topology.kubernetes.io/zone";
const [tokenFile, out] = process.argv.slice(2);
const { NODE_NAME: node, KUBERNETES_SERVICE_HOST: host = "", KUBERNETES_SERVICE_PORT: port } = process.env;

try {
  const api = `https://${host.includes(":") ? `[${host}]` : host}:${port}`;
  const response = await fetch(`${api}/api/v1/nodes/${node}`, {
    headers: { authorization: `Bearer ${readFileSync(tokenFile, "utf8")}` },
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  if (!response.ok) throw new Error(`status ${response.status}: ${await response.text()}`);
  const { metadata } = await response.json();
  const zone = metadata.labels?.[LABEL] ?? "";
  writeFileSync(out, zone);
  console.log(`node ${node}: ${zone === "" ? "no zone" : `zone ${zone}`}`);
} catch (error) {
  console.error(`the zone of node ${node} cannot be asked for: ${error.cause?.message ?? error.message}`);
  if (!existsSync(out)) process.exitCode = 1;
}
