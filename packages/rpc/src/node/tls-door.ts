/**
 * tls-door.ts: TLS in front of the HTTP/2 server: what comes out of it is encrypted, and its certificate was judged where one is asked for.
 *
 * Invariants:
 *   E1  a client that is to show a certificate and shows none, or one that no authority of `caFile` signed or that is out of date, never
 *       reaches HTTP/2: it is told why in one line (`refusal-line.ts`) and the connection is closed
 *   E2  an open connection lives on when the files change; handshakes that begin afterwards use the new ones
 *   E3  sessions are never resumed: in TLS 1.3 a session that began without a certificate would count as authorised when it is resumed
 */
import { constants } from "node:crypto";
import type { Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { SECOND_MS } from "@varve/base";
import { type TlsKeeper, tlsFailureText } from "@varve/base/node";
import { refusalLine } from "./refusal-line.js";

export interface ServerTls {
  readonly keeper: TlsKeeper;
  /** Whether clients must show a certificate that an authority in `caFile` signed. */
  readonly clientAuth: "none" | "required";
  /** Told of each handshake that failed, with the address it came from. */
  readonly onRefused?: (address: string, why: string) => void;
}

/** The name of HTTP/2 in RFC 7540, section 3.3. */
const ALPN = "h2";
/** The first byte of a handshake, RFC 8446, section 5.1. */
const HANDSHAKE_RECORD = 22;
/** A record with the alert unexpected_message, fatal (RFC 8446, section 6): Node.js sends none, and the client would learn nothing. */
const ALERT = Buffer.from([21, 3, 3, 0, 2, 2, 10]);
const HANDSHAKE_MS = 10 * SECOND_MS;

export class TlsDoor {
  private readonly server: Server;
  private readonly tls: ServerTls;

  constructor(tls: ServerTls, onSecure: (socket: TLSSocket) => void) {
    this.tls = tls;
    this.server = createServer({
      ...tls.keeper.material.pem,
      ALPNProtocols: [ALPN],
      handshakeTimeout: HANDSHAKE_MS,
      requestCert: tls.clientAuth === "required",
      // Judged below: a handshake that is broken off here would not tell the client why.
      rejectUnauthorized: false,
      secureOptions: constants.SSL_OP_NO_TICKET,
    });
    this.server.on("secureConnection", (socket) => {
      const refusal = this.refusalOf(socket);
      if (refusal === null) onSecure(socket);
      else this.refuse(socket, refusal);
    });
    this.server.on("tlsClientError", (error, socket) => {
      // Who hung up has no address any more, and nothing to be told of.
      if (socket.remoteAddress !== undefined) tls.onRefused?.(socket.remoteAddress, tlsFailureText(error));
      socket.destroy();
    });
    tls.keeper.onChange(({ pem }) =>
      this.server.setSecureContext({ ...pem, secureOptions: constants.SSL_OP_NO_TICKET }),
    );
  }

  /** Begins the handshake on a connection that was accepted, if its first byte is that of one. */
  enter(socket: Socket): void {
    socket.on("error", () => {});
    socket.setTimeout(HANDSHAKE_MS, () => socket.destroy());
    socket.once("readable", () => {
      const head: Buffer | null = socket.read();
      if (head === null) return;
      socket.setTimeout(0);
      if (head[0] === HANDSHAKE_RECORD) {
        socket.unshift(head);
        this.server.emit("connection", socket);
        return;
      }
      this.tls.onRefused?.(socket.remoteAddress ?? "unknown", "it speaks no TLS");
      socket.end(ALERT, () => socket.destroySoon());
    });
  }

  private refusalOf(socket: TLSSocket): string | null {
    if (this.tls.clientAuth === "none") return null;
    if (socket.getPeerX509Certificate() === undefined) return refusalLine("client-certificate-missing");
    if (socket.authorized && !socket.isSessionReused()) return null;
    return refusalLine("client-certificate-refused", String(socket.authorizationError));
  }

  private refuse(socket: TLSSocket, line: string): void {
    this.tls.onRefused?.(socket.remoteAddress ?? "unknown", line.trim());
    socket.on("error", () => {});
    socket.end(line, () => socket.destroySoon());
    socket.setTimeout(SECOND_MS, () => socket.destroy());
  }
}
