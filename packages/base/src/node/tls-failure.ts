/**
 * tls-failure.ts: what went wrong with a TLS connection, by kind instead of by OpenSSL's many names.
 *
 * Source of the names: OpenSSL's X509_V_ERR_* (verification on this side), its alerts as Node.js names them (the other side's refusal; RFC
 * 8446, section 6.2) and ERR_SSL_* of what is no TLS record at all.
 */

/** Each needs another remedy. */
export type TlsFailureKind =
  /** No authority that is trusted here has signed the certificate. */
  | "unknown-authority"
  | "expired"
  | "not-yet-valid"
  /** The certificate is for other names. */
  | "wrong-name"
  /** What answers speaks no TLS. */
  | "plaintext"
  /** What answers speaks nothing but TLS, and this side did not. */
  | "tls-required"
  | "client-certificate-missing"
  | "client-certificate-refused"
  /** The own files cannot be used. */
  | "files"
  /** Anything else, such as no common version or cipher. */
  | "handshake";

const KINDS: Readonly<Record<string, TlsFailureKind>> = {
  CERT_UNTRUSTED: "unknown-authority",
  CERT_REJECTED: "unknown-authority",
  CERT_SIGNATURE_FAILURE: "unknown-authority",
  DEPTH_ZERO_SELF_SIGNED_CERT: "unknown-authority",
  INVALID_CA: "unknown-authority",
  SELF_SIGNED_CERT_IN_CHAIN: "unknown-authority",
  UNABLE_TO_GET_ISSUER_CERT: "unknown-authority",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "unknown-authority",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "unknown-authority",
  CERT_HAS_EXPIRED: "expired",
  CERT_NOT_YET_VALID: "not-yet-valid",
  ERR_TLS_CERT_ALTNAME_INVALID: "wrong-name",
  ERR_SSL_WRONG_VERSION_NUMBER: "plaintext",
  ERR_SSL_PACKET_LENGTH_TOO_LONG: "plaintext",
  ERR_SSL_HTTP_REQUEST: "plaintext",
  ERR_SSL_RECORD_LAYER_FAILURE: "plaintext",
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: "client-certificate-missing",
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: "client-certificate-missing",
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: "client-certificate-refused",
  ERR_SSL_TLSV1_ALERT_ACCESS_DENIED: "client-certificate-refused",
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: "client-certificate-refused",
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: "client-certificate-refused",
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED: "client-certificate-refused",
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN: "client-certificate-refused",
  ERR_SSL_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE: "client-certificate-refused",
};

/** The kind of a failure; null: it has nothing to do with TLS, such as a connection that was refused or reset. */
export function tlsFailureKind(error: unknown): TlsFailureKind | null {
  const code = codeOf(error);
  const known = KINDS[code];
  if (known !== undefined) return known;
  return code.startsWith("ERR_SSL_") || code.startsWith("ERR_TLS_") ? "handshake" : null;
}

/** What happened, in a few words: OpenSSL's own messages begin with addresses and function names. */
export function tlsFailureText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "reason" in error && typeof error.reason === "string" && error.reason !== "" ? error.reason : error.message;
}

function codeOf(error: unknown): string {
  if (typeof error === "string") return error;
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
