/**
 * config-file.ts: the configuration that a local broker gets, as YAML that a person can read, change and start by hand with
 * `varve broker start --config FILE`.
 */
import { writeFileSync } from "node:fs";
import { type BrokerPlace, portOf } from "./layout.js";

/** Settings that the generated file fixes: variables of the surrounding shell must not override them. */
const FIXED_VARIABLES =
  /^VARVE_(?:BROKER_ID|DATA_DIR|CONFIG|HOST|CLUSTER_SEEDS|CLUSTER_EXPECTED_CLUSTER_ID|LISTEN_.*|ADVERTISED_.*|TLS_.*|PEER_TLS_.*)$/;

/** Paths of the certificates of local brokers, which they share. */
export interface BrokerTlsFiles {
  /** Of the authority that clients trust. */
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  readonly peerCaFile: string;
  readonly peerCertFile: string;
  readonly peerKeyFile: string;
}

/** The file's text: this broker, with all of `places` as founding seeds. `tls` null: in plain text. */
export function configText(
  place: BrokerPlace,
  places: readonly BrokerPlace[],
  tls: BrokerTlsFiles | null = null,
): string {
  return [
    "# Written by varve at each start. Every setting: varve config reference",
    `brokerId: ${place.id}`,
    `dataDir: ${JSON.stringify(place.dataDir)}`,
    "# On one machine each broker counts as a machine of its own, so that replicas are spread over all of them.",
    `host: local-${place.id}`,
    "cluster:",
    "  seeds:",
    ...places.map(({ peer }) => `    - ${JSON.stringify(peer)}`),
    "listen:",
    `  grpcPort: ${portOf(place.grpc)}`,
    `  peerPort: ${portOf(place.peer)}`,
    `  opsPort: ${portOf(place.ops)}`,
    ...(tls === null ? [] : tlsLines(tls)),
    "",
  ].join("\n");
}

function tlsLines(tls: BrokerTlsFiles): string[] {
  return [
    "tls:",
    `  certFile: ${JSON.stringify(tls.certFile)}`,
    `  keyFile: ${JSON.stringify(tls.keyFile)}`,
    "peerTls:",
    `  certFile: ${JSON.stringify(tls.peerCertFile)}`,
    `  keyFile: ${JSON.stringify(tls.peerKeyFile)}`,
    `  caFile: ${JSON.stringify(tls.peerCaFile)}`,
  ];
}

export function writeConfigFile(
  place: BrokerPlace,
  places: readonly BrokerPlace[],
  tls: BrokerTlsFiles | null = null,
): void {
  writeFileSync(place.configFile, configText(place, places, tls));
}

/** The environment of a local broker: the caller's own, without what the file fixes. */
export function brokerEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !FIXED_VARIABLES.test(name));
  // Segment reads, compression and state files share libuv's pool; it cannot grow after the start.
  return { UV_THREADPOOL_SIZE: "16", ...Object.fromEntries(kept) };
}
