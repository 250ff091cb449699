/**
 * tls-link.ts: the Link port over mutual TLS: both sides show a certificate of the cluster before either side says anything.
 *
 * Invariants, beside those of every Link:
 *   T1  a connection is handed on, and a byte of it, only after the other side's certificate was found to be signed by an authority of
 *       `caFile`, to be in date and to name this cluster
 *   T2  nothing that was written leaves before that
 *   T3  connections live on when the files change; those made afterwards use the new ones
 *   T4  handshakes that are under way are bounded in number and time
 */
import { constants } from "node:crypto";
import { isIP } from "node:net";
import { connect, createServer, type TLSSocket } from "node:tls";
import type { Link, LinkConnection, LinkListener } from "@varve/base";
import { type TlsKeeper, tlsFailureKind, tlsFailureText } from "@varve/base/node";
import { PEER_LIMITS } from "../limits.js";
import { strangeness } from "./cluster-name.js";
import { bind, KEEPALIVE_MS, remoteAddressOf, requireAddress, SocketConnection } from "./link.js";

export interface TlsLinkOptions {
  /** Certificate, key and authorities; all three. */
  readonly keeper: TlsKeeper;
  /** The cluster that peers' certificates must name. */
  readonly clusterId: string;
  /** A connection was refused for its certificate, by this side or, as it seems, by the other. Called for each. */
  readonly onRefused: (address: string, why: string) => void;
}

/** Keeps other protocols off the port, and this one off others (RFC 7301). */
const ALPN = "varve-peer/1";

/** Byte streams between brokers that know each other by certificate. */
export function tlsLink(options: TlsLinkOptions): Link {
  return {
    listen: (host, port, onConnection) => listen(options, host, port, onConnection),
    dial: (address) => dial(options, address),
  };
}

function listen(
  { keeper, clusterId, onRefused }: TlsLinkOptions,
  host: string,
  port: number,
  onConnection: (connection: LinkConnection) => void,
): Promise<LinkListener> {
  // A resumed session would show no certificate.
  const secureOptions = constants.SSL_OP_NO_TICKET;
  const server = createServer({
    ...keeper.material.pem,
    secureOptions,
    ALPNProtocols: [ALPN],
    requestCert: true,
    // Judged below: Node.js breaks such handshakes off without a word of who it was.
    rejectUnauthorized: false,
    handshakeTimeout: PEER_LIMITS.handshakeMs,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEPALIVE_MS,
  });
  const handshakes = new Set<string>();
  server.prependListener("connection", (socket) => {
    const from = remoteAddressOf(socket);
    handshakes.add(from);
    socket.once("close", () => handshakes.delete(from));
    if (handshakes.size > PEER_LIMITS.inboundStrangersMax) socket.destroy(); // T4
  });
  server.on("secureConnection", (socket) => {
    handshakes.delete(remoteAddressOf(socket));
    const why = refusalOf(socket, clusterId);
    if (why === null) onConnection(new SocketConnection(socket, remoteAddressOf(socket)));
    else {
      onRefused(socket.remoteAddress ?? "unknown", why);
      socket.destroy();
    }
  });
  server.on("tlsClientError", (error, socket) => {
    if (socket.remoteAddress !== undefined) onRefused(socket.remoteAddress, tlsFailureText(error));
    socket.destroy();
  });
  keeper.onChange(({ pem }) => server.setSecureContext({ ...pem, secureOptions }));
  return bind(server, host, port);
}

function refusalOf(socket: TLSSocket, clusterId: string): string | null {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined || socket.isSessionReused()) return "it showed no certificate";
  if (!socket.authorized) return `its certificate is refused: ${socket.authorizationError}`;
  return strangeness(certificate.subjectAltName, clusterId);
}

function dial({ keeper, clusterId, onRefused }: TlsLinkOptions, address: string): LinkConnection {
  const { host, port } = requireAddress(address);
  const socket = connect({
    host,
    port,
    secureContext: keeper.material.context,
    rejectUnauthorized: true,
    ALPNProtocols: [ALPN],
    ...(isIP(host) === 0 ? { servername: host } : {}),
    checkServerIdentity: (_, { subjectaltname }) => {
      const why = strangeness(subjectaltname, clusterId);
      return why === null ? undefined : new StrangerError(why);
    },
  });
  socket.setNoDelay(true);
  socket.setKeepAlive(true, KEEPALIVE_MS);
  // T2: what is written waits here until the other side is known.
  socket.cork();
  let isKnown = false;
  socket.once("secureConnect", () => {
    isKnown = true;
    socket.uncork();
  });
  socket.once("error", (error) => {
    if (error instanceof StrangerError) onRefused(address, error.message);
    else if (tlsFailureKind(error) !== null) onRefused(address, tlsFailureText(error));
  });
  socket.once("close", () => {
    if (isKnown && socket.bytesRead === 0)
      onRefused(address, "it closed the connection after it saw this broker's certificate");
  });
  return new SocketConnection(socket, address);
}

class StrangerError extends Error {}
