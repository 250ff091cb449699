/**
 * tls-error.ts: TLS_FAILED in words: what is wrong with the connection to which address, and what to do about it.
 *
 * Nothing was sent, so its effect is NOT_APPLIED. It may be repeated, at another broker: who calls decides when none is left.
 */
import { VarveError } from "@varve/base";
import type { TlsFailureKind } from "@varve/base/node";
import type { TlsFailure } from "./client-tls.js";

const WORDS: Readonly<Record<TlsFailureKind, { readonly what: string; readonly advice: string }>> = {
  "unknown-authority": {
    what: "its certificate is signed by no authority that this client trusts",
    advice: "give the authority's certificate in tls.caFile",
  },
  expired: { what: "its certificate has expired", advice: "renew the broker's certificate" },
  "not-yet-valid": {
    what: "its certificate is not valid yet",
    advice: "compare the clocks of this machine and of the authority",
  },
  "wrong-name": {
    what: "its certificate is for other names",
    advice: "use a name of the certificate as the address, or say in tls.serverName for whom it must be",
  },
  plaintext: { what: "what answers there speaks no TLS", advice: "turn TLS off in this client, or on at the broker" },
  "tls-required": {
    what: "the broker speaks TLS only",
    advice: "turn TLS on in this client, with the authority that signed the broker's certificate in tls.caFile",
  },
  "client-certificate-missing": {
    what: "the broker asks for a client certificate",
    advice: "give tls.certFile and tls.keyFile",
  },
  "client-certificate-refused": {
    what: "the broker refuses this client's certificate",
    advice: "use one that is in date and signed by an authority in the broker's tls.caFile",
  },
  files: {
    what: "the client's own TLS files cannot be used",
    advice: "correct tls.caFile, tls.certFile and tls.keyFile",
  },
  handshake: { what: "the TLS handshake failed", advice: "compare the TLS versions and ciphers of both sides" },
};

/** The error of a call to `address` that found no connection because of `failure`. */
export function tlsError(address: string, method: string, { kind, text }: TlsFailure, cause: unknown): VarveError {
  const { what, advice } = WORDS[kind];
  return new VarveError("TLS_FAILED", {
    message: `${method} to ${address}: ${what} (${text}); nothing was written; ${advice}`,
    effect: "NOT_APPLIED",
    retryable: true,
    details: { address, reason: kind },
    cause,
  });
}
