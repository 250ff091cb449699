/**
 * tls-files.ts: a certificate, its key and the authorities to trust, read from PEM files and checked before anybody uses them.
 *
 * Format: RFC 7468 (PEM). A certificate file holds the own certificate first, then its intermediates, as RFC 8446 (4.4.2) sends them.
 */
import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext, type SecureContext } from "node:tls";
import { isVarveError, VarveError } from "../errors.js";

/** Where they lie; null: there is none. */
export interface TlsFiles {
  readonly certFile: string | null;
  readonly keyFile: string | null;
  readonly caFile: string | null;
}

/** What the files held when they were read. */
export interface TlsMaterial {
  /** For connections of clients. */
  readonly context: SecureContext;
  /** The same for servers, which make contexts of their own. */
  readonly pem: TlsPem;
  /** The own certificate; null without a certificate file. */
  readonly certificate: X509Certificate | null;
  /** When the first certificate of the file ends to be valid, wall clock, milliseconds; null without that file. */
  readonly certificateExpiryMs: number | null;
  readonly authorityExpiryMs: number | null;
  /** Of all files: equal for equal contents. */
  readonly fingerprint: string;
}

/** Contents of the files, as TLS of Node.js takes them. */
export interface TlsPem {
  readonly cert?: string;
  readonly key?: string;
  readonly ca?: string;
  readonly minVersion: typeof TLS_VERSION_MIN;
}

/** Largest file that is read: some hundred certificates. */
const FILE_BYTES_MAX = 1_048_576;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
/** Older versions have known weaknesses; 1.2 is the least that gRPC allows. */
const TLS_VERSION_MIN = "TLSv1.2";

/** @throws VarveError INVALID_CONFIG: a file cannot be read, is no PEM, or the key is not the certificate's. */
export async function readTlsFiles(files: TlsFiles): Promise<TlsMaterial> {
  const [cert, key, ca] = await Promise.all([read(files.certFile), read(files.keyFile), read(files.caFile)]);
  const own = cert === null ? [] : certificatesIn(cert, files.certFile);
  const authorities = ca === null ? [] : certificatesIn(ca, files.caFile);
  const [certificate = null] = own;
  if (certificate !== null && key !== null) requireKeyOf(certificate, key, files);
  const pem: TlsPem = { minVersion: TLS_VERSION_MIN, ...given("cert", cert), ...given("key", key), ...given("ca", ca) };
  try {
    return {
      context: createSecureContext(pem),
      pem,
      certificate,
      certificateExpiryMs: earliestEnd(own),
      authorityExpiryMs: earliestEnd(authorities),
      fingerprint: createHash("sha256")
        .update(JSON.stringify([cert, key, ca]))
        .digest("hex"),
    };
  } catch (cause) {
    throw unusable(`${names(files)} cannot be used for TLS: ${textOf(cause)}`, cause);
  }
}

async function read(file: string | null): Promise<string | null> {
  if (file === null) return null;
  try {
    const text = await readFile(file, "utf8");
    if (text.length > FILE_BYTES_MAX) throw new Error(`it has more than ${FILE_BYTES_MAX} bytes`);
    return text;
  } catch (cause) {
    throw unusable(`${file} cannot be read: ${textOf(cause)}`, cause);
  }
}

function certificatesIn(text: string, file: string | null): X509Certificate[] {
  try {
    const certificates = [...text.matchAll(CERTIFICATE)].map(([pem]) => new X509Certificate(pem));
    if (certificates.length > 0) return certificates;
  } catch (cause) {
    throw unusable(`${file} holds a certificate that cannot be read: ${textOf(cause)}`, cause);
  }
  throw unusable(`${file} holds no certificate in PEM (-----BEGIN CERTIFICATE-----)`, null);
}

/** Files that are replaced one after the other do not match for a moment. */
function requireKeyOf(certificate: X509Certificate, key: string, { certFile, keyFile }: TlsFiles): void {
  let isItsKey: boolean;
  try {
    isItsKey = certificate.checkPrivateKey(createPrivateKey(key));
  } catch (cause) {
    throw unusable(`${keyFile} holds no private key that can be read: ${textOf(cause)}`, cause);
  }
  if (!isItsKey) throw unusable(`the key in ${keyFile} is not that of the certificate in ${certFile}`, null);
}

function earliestEnd(certificates: readonly X509Certificate[]): number | null {
  if (certificates.length === 0) return null;
  return Math.min(...certificates.map(({ validTo }) => Date.parse(validTo)));
}

function given<Name extends string>(name: Name, value: string | null): { readonly [Key in Name]?: string } {
  return (value === null ? {} : { [name]: value }) as { readonly [Key in Name]?: string };
}

function names(files: TlsFiles): string {
  return [files.certFile, files.keyFile, files.caFile].filter((file) => file !== null).join(", ");
}

function textOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

function unusable(problem: string, cause: unknown): VarveError {
  if (isVarveError(cause)) return cause;
  return new VarveError("INVALID_CONFIG", { message: problem, details: { problems: [problem] }, cause });
}
