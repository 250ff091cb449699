/**
 * exposed.ts: which listeners other machines reach although nothing on them is encrypted or authenticated.
 *
 * The operators' port is plain HTTP by design, for probes that speak nothing else, and changes nothing; it does not count.
 */
import { isLoopback } from "./address.js";
import type { BrokerConfig } from "./settings.js";

export type ExposedListener = "clients" | "peers";

export function exposedInPlain({
  listen,
  tls,
  peerTls,
}: Pick<BrokerConfig, "listen" | "tls" | "peerTls">): ExposedListener[] {
  if (isLoopback(listen.address)) return [];
  return [
    ...(tls.certFile === null ? (["clients"] as const) : []),
    ...(peerTls.certFile === null ? (["peers"] as const) : []),
  ];
}
