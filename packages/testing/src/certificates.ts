/**
 * certificates.ts: a certificate authority that is thrown away: for tests and local clusters, where nobody else signs certificates.
 *
 * Formats: RFC 5280 (certificates), RFC 7468 (PEM), RFC 5915 and 5958 (keys), all made by pkijs. Keys are of the curve P-256.
 */
import { createHash, randomBytes, webcrypto } from "node:crypto";
import type { Certificate } from "pkijs";

/** What a certificate says. */
export interface CertificateRequest {
  /** Its common name, for people. */
  readonly name: string;
  readonly dnsNames?: readonly string[];
  /** IP addresses, as text. */
  readonly addresses?: readonly string[];
  readonly uris?: readonly string[];
  /** Default: an hour ago, since clocks differ. */
  readonly notBefore?: Date;
  /** Default: in 30 days. */
  readonly notAfter?: Date;
}

/** A certificate and its key, in PEM. */
export interface IssuedCertificate {
  readonly cert: string;
  readonly key: string;
}

export interface Authority {
  /** Its own certificate in PEM: what those who trust it are given. */
  readonly cert: string;
  /** Its key in PEM, with which `openAuthority` goes on. */
  readonly key: string;
  /** A certificate for servers and for clients. */
  issue(request: CertificateRequest): Promise<IssuedCertificate>;
}

type Library = typeof import("pkijs") & { readonly asn1: typeof import("asn1js") };
type Extension = InstanceType<Library["Extension"]>;
type OctetString = InstanceType<Library["asn1"]["OctetString"]>;

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256" } as const;
const HASH = "SHA-256";
const HOUR_MS = 3_600_000;
const VALID_MS = 30 * 24 * HOUR_MS;
const SERIAL_BYTES = 16;
/** Types of names in RFC 5280, section 4.2.1.6. */
const NAME_TYPE = { dns: 2, uri: 6, address: 7 } as const;
/** Object identifiers in RFC 5280, section 4.2.1, and of the common name. */
const OID = {
  commonName: "2.5.4.3",
  keyId: "2.5.29.14",
  keyUsage: "2.5.29.15",
  names: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyId: "2.5.29.35",
  extendedUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
} as const;
/** Bits of the key usage, RFC 5280, section 4.2.1.3: signing certificates; signing handshakes. */
const SIGNS_CERTIFICATES = 0b0000_0110;
const SIGNS_HANDSHAKES = 0b1000_0000;

/** A new authority of that name. */
export async function createAuthority(
  name: string,
  life: Pick<CertificateRequest, "notBefore" | "notAfter"> = {},
): Promise<Authority> {
  const library = await load();
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const certificate = await blank(library, { name, ...life }, keys.publicKey);
  certificate.issuer.typesAndValues = certificate.subject.typesAndValues;
  certificate.extensions = [
    extension(library, OID.basicConstraints, new library.BasicConstraints({ cA: true }).toSchema()),
    keyUsage(library, SIGNS_CERTIFICATES),
    extension(library, OID.keyId, keyIdOf(library, certificate)),
  ];
  await certificate.sign(keys.privateKey, HASH);
  return new IssuingAuthority(library, certificate, keys.privateKey, await keyPem(keys.privateKey));
}

/** The authority of these files, to issue further certificates. */
export async function openAuthority({ cert, key }: IssuedCertificate): Promise<Authority> {
  const library = await load();
  const certificate = library.Certificate.fromBER(bytesOf(cert));
  const privateKey = await webcrypto.subtle.importKey("pkcs8", bytesOf(key), ALGORITHM, true, ["sign"]);
  return new IssuingAuthority(library, certificate, privateKey, key);
}

class IssuingAuthority implements Authority {
  readonly cert: string;
  readonly key: string;
  private readonly library: Library;
  private readonly certificate: Certificate;
  private readonly privateKey: webcrypto.CryptoKey;

  constructor(library: Library, certificate: Certificate, privateKey: webcrypto.CryptoKey, key: string) {
    this.library = library;
    this.certificate = certificate;
    this.privateKey = privateKey;
    this.cert = pem("CERTIFICATE", certificate.toSchema(true).toBER());
    this.key = key;
  }

  async issue(request: CertificateRequest): Promise<IssuedCertificate> {
    const { library } = this;
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
    const certificate = await blank(library, request, keys.publicKey);
    certificate.issuer.typesAndValues = this.certificate.subject.typesAndValues;
    const usages = new library.ExtKeyUsage({ keyPurposes: [OID.serverAuth, OID.clientAuth] });
    const names = namesOf(library, request);
    certificate.extensions = [
      keyUsage(library, SIGNS_HANDSHAKES),
      extension(library, OID.keyId, keyIdOf(library, certificate)),
      extension(library, OID.authorityKeyId, authorityKeyId(library, this.certificate)),
      extension(library, OID.extendedUsage, usages.toSchema()),
      ...(names === null ? [] : [names]),
    ];
    await certificate.sign(this.privateKey, HASH);
    return { cert: pem("CERTIFICATE", certificate.toSchema(true).toBER()), key: await keyPem(keys.privateKey) };
  }
}

/** Loaded when it is needed: most who use this package make no certificates. */
async function load(): Promise<Library> {
  const [library, asn1] = await Promise.all([import("pkijs"), import("asn1js")]);
  return { ...library, asn1 };
}

async function blank(
  library: Library,
  request: CertificateRequest,
  publicKey: webcrypto.CryptoKey,
): Promise<Certificate> {
  const { notBefore = new Date(Date.now() - HOUR_MS), notAfter = new Date(Date.now() + VALID_MS) } = request;
  const { asn1 } = library;
  const certificate = new library.Certificate();
  certificate.version = 2; // X.509 version 3, RFC 5280, section 4.1.2.1.
  const serial = randomBytes(SERIAL_BYTES);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40; // Positive, and of full length.
  certificate.serialNumber = new asn1.Integer({ valueHex: new Uint8Array(serial).buffer });
  const value = new asn1.Utf8String({ value: request.name });
  certificate.subject.typesAndValues = [new library.AttributeTypeAndValue({ type: OID.commonName, value })];
  certificate.notBefore.value = notBefore;
  certificate.notAfter.value = notAfter;
  await certificate.subjectPublicKeyInfo.importKey(publicKey);
  return certificate;
}

/**
 * The name of a certificate's key, RFC 5280, section 4.2.1.2: it tells an authority from its successor of the same name, so that both can be trusted at
 * once while the one gives way to the other.
 */
function keyIdOf({ asn1 }: Library, { subjectPublicKeyInfo }: Certificate): OctetString {
  const { valueHexView } = subjectPublicKeyInfo.subjectPublicKey.valueBlock;
  const valueHex = Uint8Array.from(createHash("sha1").update(valueHexView).digest()).buffer;
  return new asn1.OctetString({ valueHex });
}

function authorityKeyId(library: Library, authority: Certificate): { toBER(): ArrayBuffer } {
  return new library.AuthorityKeyIdentifier({ keyIdentifier: keyIdOf(library, authority) }).toSchema();
}

function keyUsage(library: Library, bits: number): Extension {
  const usage = new library.asn1.BitString({ valueHex: Uint8Array.of(bits).buffer, unusedBits: 0 });
  return extension(library, OID.keyUsage, usage);
}

function namesOf(library: Library, { dnsNames = [], addresses = [], uris = [] }: CertificateRequest): Extension | null {
  const names = [
    ...dnsNames.map((value) => new library.GeneralName({ type: NAME_TYPE.dns, value })),
    ...uris.map((value) => new library.GeneralName({ type: NAME_TYPE.uri, value })),
    ...addresses.map((address) => {
      const value = new library.asn1.OctetString({ valueHex: addressBytes(address) });
      return new library.GeneralName({ type: NAME_TYPE.address, value });
    }),
  ];
  return names.length === 0 ? null : extension(library, OID.names, new library.GeneralNames({ names }).toSchema());
}

function extension(library: Library, extnID: string, value: { toBER(): ArrayBuffer }): Extension {
  return new library.Extension({ extnID, critical: extnID === OID.basicConstraints, extnValue: value.toBER() });
}

/** Four bytes, or sixteen for IPv6 as `::1` and the like are written. */
function addressBytes(address: string): ArrayBuffer {
  if (!address.includes(":")) return Uint8Array.from(address.split("."), Number).buffer;
  const [head = "", tail = ""] = address.split("::");
  const groups = (text: string): number[] =>
    text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
  const [left, right] = [groups(head), groups(tail)];
  const all = [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right];
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 0xff])).buffer;
}

async function keyPem(key: webcrypto.CryptoKey): Promise<string> {
  return pem("PRIVATE KEY", await webcrypto.subtle.exportKey("pkcs8", key));
}

function pem(label: string, bytes: ArrayBuffer): string {
  const lines =
    Buffer.from(bytes)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}

function bytesOf(text: string): ArrayBuffer {
  const base64 = text.replaceAll(/-----[^-]+-----|\s/g, "");
  return new Uint8Array(Buffer.from(base64, "base64")).buffer;
}
