/** kit.ts: what the TLS tests share: certificates in files of a folder, good ones and each kind of bad one. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Authority, type CertificateRequest, createAuthority } from "@varve/testing";

/** Paths of a certificate and its key. */
export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

export const CLUSTER = "11111111-2222-4333-8444-555555555555";
export const LOCAL = { dnsNames: ["localhost"], addresses: ["127.0.0.1"] } as const;
export const SECOND_AGO = (): Date => new Date(Date.now() - 1_000);

/** Certificates of one test file. */
export class Certificates {
  readonly folder = mkdtempSync(join(tmpdir(), "varve-tls-"));
  readonly authority: Authority;
  readonly stranger: Authority;
  readonly caFile: string;
  readonly strangerCaFile: string;
  private count = 0;

  private constructor(authority: Authority, stranger: Authority) {
    this.authority = authority;
    this.stranger = stranger;
    this.caFile = this.write("ca.pem", authority.cert);
    this.strangerCaFile = this.write("stranger-ca.pem", stranger.cert);
  }

  static async create(): Promise<Certificates> {
    return new Certificates(await createAuthority("varve tests"), await createAuthority("strangers"));
  }

  write(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, text);
    return path;
  }

  /** A certificate in files of its own. */
  async issue(request: Partial<CertificateRequest> = {}, by: Authority = this.authority): Promise<CertificateFiles> {
    const name = request.name ?? `certificate-${++this.count}`;
    const { cert, key } = await by.issue({ ...request, name });
    return { certFile: this.write(`${name}.pem`, cert), keyFile: this.write(`${name}.key`, key) };
  }

  /** One for a broker's peers; null: it names no cluster. */
  issuePeer(
    clusterId: string | null = CLUSTER,
    request: Partial<CertificateRequest> = {},
    by?: Authority,
  ): Promise<CertificateFiles> {
    return this.issue({ ...request, uris: clusterId === null ? [] : [`varve://cluster/${clusterId}`] }, by);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
