/**
 * tls-credentials.ts: how a client's connections become TLS, and why they did not.
 *
 * grpc-js tells of a failed connection in words only; the connections are secured here, so that the error itself is at hand. A connection
 * counts as made when the server's first byte has come: in TLS 1.3 a server that refuses the client's certificate says so only then. Brokers speak
 * first; a proxy before them may wait for the client, and is waited for no longer than FIRST_BYTE_MS.
 * Invariants:
 *   C1  the files are asked for at each connection, so that a renewed certificate is used without a restart
 *   C2  nothing is written to a server before its certificate was verified, and its name
 *   C3  `failureIn` speaks of a connection that could not be made for TLS's sake, never of one that was refused or reset
 */
import { isIP, type Socket } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { CallCredentials, ChannelCredentials } from "@grpc/grpc-js";
import { isVarveError, SECOND_MS } from "@varve/base";
import { type TlsFailureKind, tlsFailureKind, tlsFailureText } from "@varve/base/node";
import type { ClientFiles } from "./client-files.js";
import type { TlsFailure } from "./client-tls.js";
import { type Refusal, readRefusal } from "./refusal-line.js";

type SecureConnector = ReturnType<ChannelCredentials["_createSecureConnector"]>;
type SecureConnection = Awaited<ReturnType<SecureConnector["connect"]>>;

const ALPN = "h2";
/** From the TCP connection to the server's first byte. */
const HANDSHAKE_MS = 10 * SECOND_MS;
/** From the end of the handshake to the server's first byte. */
const FIRST_BYTE_MS = SECOND_MS;

export class TlsCredentials extends ChannelCredentials {
  private readonly files: ClientFiles;
  /** Host of the address, or what is to stand in its place. */
  private readonly host: string;
  private failure: (TlsFailure & { readonly message: string }) | null = null;

  /** @param serverName name that the certificate must be for; null: the address's host */
  constructor(files: ClientFiles, serverName: string | null, address: string) {
    super();
    this.files = files;
    this.host = serverName ?? hostOf(address);
  }

  override _isSecure(): boolean {
    return true;
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(): SecureConnector {
    return {
      connect: (socket) => this.secure(socket),
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => CallCredentials.createEmpty(),
      destroy: () => {},
    };
  }

  /** The failure of TLS that grpc-js tells of in `words`; null when it is another one. */
  failureIn(words: string): TlsFailure | null {
    return this.failure !== null && words.includes(this.failure.message) ? this.failure : null;
  }

  private async secure(socket: Socket): Promise<SecureConnection> {
    try {
      const secured = await this.handshake(socket);
      this.failure = null;
      return { socket: secured, secure: true };
    } catch (error) {
      const kind = isVarveError(error) ? "files" : error instanceof Refused ? error.kind : tlsFailureKind(error);
      this.failure = kind === null ? null : { kind, text: tlsFailureText(error), message: messageOf(error) };
      throw error;
    }
  }

  private async handshake(socket: Socket): Promise<TLSSocket> {
    // The socket may fail while the files are read.
    socket.on("error", () => {});
    const { context } = await this.files.read();
    const { host } = this;
    const secured = connect({
      socket,
      secureContext: context,
      host,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ALPNProtocols: [ALPN],
    });
    const timer = setTimeout(() => secured.destroy(new Error("no answer to the TLS handshake")), HANDSHAKE_MS);
    try {
      await firstByte(secured);
      return secured;
    } catch (error) {
      secured.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The server has said that it refuses this client. */
class Refused extends Error {
  readonly kind: TlsFailureKind;

  constructor({ kind, reason }: Refusal) {
    super(reason === "" ? "it was shown none" : reason);
    this.kind = kind;
  }
}

/** Resolves when the server has begun to speak HTTP/2; what it said stays in the socket for it. */
function firstByte(socket: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    const over = (settle: () => void): void => {
      clearTimeout(timer);
      socket.off("secureConnect", onSecure);
      socket.off("readable", onReadable);
      socket.off("error", onError);
      socket.off("close", onClose);
      // Whoever uses it next listens for errors of its own; until then none may be unheard.
      socket.on("error", () => {});
      settle();
    };
    const onError = (error: Error): void => over(() => reject(error));
    const onClose = (): void =>
      over(() => reject(new Error("the server closed the connection amid the TLS handshake")));
    const onReadable = (): void => {
      const head: Buffer | null = socket.read();
      if (head === null) return;
      const refusal = readRefusal(head);
      if (refusal !== null) over(() => reject(new Refused(refusal)));
      else {
        socket.unshift(head);
        over(resolve);
      }
    };
    const onSecure = (): void => {
      timer = setTimeout(() => over(resolve), FIRST_BYTE_MS);
    };
    socket.once("secureConnect", onSecure);
    socket.on("readable", onReadable);
    socket.once("error", onError);
    socket.once("close", onClose);
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function hostOf(address: string): string {
  const host = address.slice(0, address.lastIndexOf(":"));
  return host.startsWith("[") ? host.slice(1, -1) : host;
}
