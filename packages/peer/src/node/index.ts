/** index.ts: links over real TCP sockets, plain or inside mutual TLS. */
export { CLUSTER_URI, clustersNamed } from "./cluster-name.js";
export { nodeLink, parseAddress } from "./link.js";
export { type TlsLinkOptions, tlsLink } from "./tls-link.js";
