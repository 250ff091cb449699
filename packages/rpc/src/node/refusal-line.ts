/**
 * refusal-line.ts: the one line that a server sends, inside TLS and instead of HTTP/2, to a client whose certificate it refuses.
 *
 * TLS 1.3 verifies the client's certificate after the client has finished its handshake, and Node.js sends no alert then: all that the client
 * would see is a connection that closes. The line cannot be taken for HTTP/2, whose first frame from a server is SETTINGS (RFC 9113, 3.4).
 */

/** What the server says. */
export type RefusalKind = "client-certificate-missing" | "client-certificate-refused";

export interface Refusal {
  readonly kind: RefusalKind;
  /** OpenSSL's name of the reason; empty where none is needed. */
  readonly reason: string;
}

const LINE = /^varve-tls-refused (client-certificate-missing|client-certificate-refused)(?: ([A-Z0-9_]{1,64}))?\n/;
/** The longest line. */
export const REFUSAL_BYTES_MAX = 128;

export function refusalLine(kind: RefusalKind, reason = ""): string {
  return `varve-tls-refused ${kind}${reason === "" ? "" : ` ${reason}`}\n`;
}

/** The refusal that the server's first bytes are; null: they are something else. */
export function readRefusal(head: Uint8Array): Refusal | null {
  const match = LINE.exec(Buffer.from(head.subarray(0, REFUSAL_BYTES_MAX)).toString("latin1"));
  return match === null ? null : { kind: match[1] as RefusalKind, reason: match[2] ?? "" };
}
