/** client-tls.ts: what a client is given to speak TLS, and what it says when that does not come about. */
import type { TlsFailureKind, TlsFiles } from "@varve/base/node";

/** What a client needs for TLS; null: the system's authorities, no certificate of its own, the address's own host. */
export interface ClientTls extends TlsFiles {
  /** Name that the server's certificate must be for. */
  readonly serverName: string | null;
}

export interface TlsFailure {
  readonly kind: TlsFailureKind;
  /** What happened, in words. */
  readonly text: string;
}
