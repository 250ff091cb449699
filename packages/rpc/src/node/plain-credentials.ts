/**
 * plain-credentials.ts: connections without TLS, and how to see that the other end wants it.
 *
 * A server that expects TLS answers HTTP/2's preface with an alert and closes. The alert is a record of exactly seven bytes (RFC 8446, sections
 * 5.1 and 6), which no HTTP/2 server sends: its shortest frame has nine (RFC 9113, section 4.1).
 */
import type { Socket } from "node:net";
import { CallCredentials, ChannelCredentials } from "@grpc/grpc-js";
import type { TlsFailure } from "./client-tls.js";

type SecureConnector = ReturnType<ChannelCredentials["_createSecureConnector"]>;

const ALERT_BYTES = 7;
/** What grpc-js says of a connection that closed before the server's settings came. */
const CLOSED_EARLY = /Last error: Failed to connect|Protocol error/;

export class PlainCredentials extends ChannelCredentials {
  /** The last connection ended with the bytes of an alert. */
  private sawAlert = false;

  override _isSecure(): boolean {
    return false;
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(): SecureConnector {
    return {
      connect: (socket) => {
        this.watch(socket);
        return Promise.resolve({ socket, secure: false });
      },
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => CallCredentials.createEmpty(),
      destroy: () => {},
    };
  }

  failureIn(words: string): TlsFailure | null {
    if (!this.sawAlert || !CLOSED_EARLY.test(words)) return null;
    return { kind: "tls-required", text: "it answered with a TLS alert" };
  }

  private watch(socket: Socket): void {
    socket.once("close", () => {
      this.sawAlert = socket.bytesRead === ALERT_BYTES;
    });
  }
}
