/** varve.ts: the client of a Node.js process: gRPC, the process's clocks and randomness, codecs without native modules. */
import type { Logger } from "@varve/base";
import { nodeRandom } from "@varve/base/node";
import { nodeCodec } from "@varve/records/node";
import { grpcTransport, tlsTransport } from "@varve/rpc/node";
import { checkedTls, type TlsOptions, type VarveOptions } from "../options.js";
import type { ClientPorts } from "../ports.js";
import { VarveClient } from "../varve.js";
import { clientClock } from "./clock.js";
import { nodeDiagnostics } from "./diagnostics.js";

/** The ports of a Node.js process. */
export const nodePorts: ClientPorts = {
  clock: clientClock,
  random: nodeRandom,
  transport: grpcTransport,
  codec: nodeCodec,
  diagnostics: nodeDiagnostics,
};

/** A client of a Varve cluster. */
export class Varve extends VarveClient {
  /** Connects at first use. @throws VarveError INVALID_ARGUMENT. */
  constructor(options: VarveOptions) {
    super(options, options.tls === undefined ? nodePorts : securePorts(checkedTls(options.tls), options.logger));
  }
}

function securePorts({ caFile, certFile, keyFile, serverName }: TlsOptions, logger?: Logger): ClientPorts {
  const files = { caFile: caFile ?? null, certFile: certFile ?? null, keyFile: keyFile ?? null };
  const onTrouble = (err: Error): void =>
    logger?.warn({ err }, "changed TLS files cannot be used; those that were read before stay in use");
  return { ...nodePorts, transport: tlsTransport({ ...files, serverName: serverName ?? null }, onTrouble) };
}
