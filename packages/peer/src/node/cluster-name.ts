/**
 * cluster-name.ts: the name by which a certificate says to which cluster its holder belongs: the URI varve://cluster/ID among its
 * alternative names (RFC 5280, section 4.2.1.6). Names of hosts play no part between brokers: their addresses change.
 */

/** Of the URI, before the cluster's id. */
export const CLUSTER_URI = "varve://cluster/";

const CLUSTER_ID = /^[A-Za-z0-9._-]{1,64}$/;
/**
 * Node.js writes the names as one text, `URI:a, DNS:b`, and puts those into quotes that could be mistaken for two. Only an unquoted one is taken
 * for a cluster's: its id has no character that would need them.
 */
const NAME = /(?:^|, )([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,"]*)/g;

/** The cluster ids in a certificate's alternative names, as Node.js tells them; empty when it names none. */
export function clustersNamed(subjectAltName: string | undefined): readonly string[] {
  return [...(subjectAltName ?? "").matchAll(NAME)].flatMap(([, type, value = ""]) => {
    if (type !== "URI" || !value.startsWith(CLUSTER_URI)) return [];
    const clusterId = value.slice(CLUSTER_URI.length);
    return CLUSTER_ID.test(clusterId) ? [clusterId] : [];
  });
}

/** Why the holder of a certificate with these names is no broker of the cluster; null when it is one. */
export function strangeness(subjectAltName: string | undefined, clusterId: string): string | null {
  const named = clustersNamed(subjectAltName);
  if (named.includes(clusterId)) return null;
  if (named.length === 0) return `its certificate names no cluster (${CLUSTER_URI}${clusterId} is missing)`;
  return `its certificate is of cluster ${named.join(", ")}, this broker's is ${clusterId}`;
}
