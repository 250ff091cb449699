/**
 * cluster-certificates.ts: what a cluster in containers and its clients prove who they are with: two authorities that are thrown away, one for clients
 * and one for brokers, and a folder of files for each broker, which its container sees as a volume with a secret would be seen.
 *
 * Files are written anew in place, one after another, as an operator's copy does; a broker that looks between two of them keeps what it has.
 */
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TlsOptions } from "@varve/client";
import { type Authority, createAuthority, type IssuedCertificate } from "@varve/testing";
import { scratch } from "../scratch.js";

const DAY_MS = 86_400_000;
const CLUSTER_ID = "0b9c2b1e-5d0f-4a51-9a44-3f7d1f3c8e20";
/** Where a container finds its folder. */
const INSIDE = "/etc/varve/certificates";

/** Who signs now, and whom everybody trusts. */
interface Trust {
  readonly signs: Authority;
  readonly trusted: readonly Authority[];
}

export class ClusterCertificates {
  private readonly files = scratch("varve-e2e-certificates-");

  private constructor(
    private clients: Trust,
    private peers: Trust,
    private readonly brokersMax: number,
  ) {}

  /** For brokers 1 to `brokersMax` and for clients; they end in so many days. */
  static async create(brokersMax: number, days: number): Promise<ClusterCertificates> {
    const [clients, peers] = await Promise.all([firstTrust("clients"), firstTrust("brokers")]);
    const made = new ClusterCertificates(clients, peers, brokersMax);
    made.writeTrusted();
    await made.renew(days);
    return made;
  }

  /** New certificates and keys for everybody, of the authorities that sign now, in the same files. */
  async renew(days: number): Promise<void> {
    const notAfter = new Date(Date.now() + days * DAY_MS);
    const { clients, peers } = this;
    for (const folder of this.brokerFolders()) {
      const own = await clients.signs.issue({ name: "broker", addresses: ["127.0.0.1"], notAfter });
      const uris = [`varve://cluster/${CLUSTER_ID}`];
      writeOwn(folder, "client", own);
      writeOwn(folder, "peer", await peers.signs.issue({ name: "broker", uris, notAfter }));
    }
    writeOwn(this.files.folder, "client", await clients.signs.issue({ name: "load", notAfter }));
  }

  /** From now on everybody trusts new authorities beside those that were trusted; certificates stay as they are until they are renewed. */
  async trustNewAuthorities(): Promise<void> {
    this.clients = await withNew(this.clients, "clients");
    this.peers = await withNew(this.peers, "brokers");
    this.writeTrusted();
  }

  /** Only the newest authorities are trusted. */
  forgetOldAuthorities(): void {
    this.clients = { ...this.clients, trusted: [this.clients.signs] };
    this.peers = { ...this.peers, trusted: [this.peers.signs] };
    this.writeTrusted();
  }

  /** How a client on this machine proves who it is. */
  get forClients(): ClientFiles {
    return clientFilesIn(this.files.folder);
  }

  /** What a client has now, in files of its own, which nobody renews. */
  keptByClient(): ClientFiles {
    const folder = join(this.files.folder, "kept");
    mkdirSync(folder);
    for (const name of ["client.pem", "client.key", "client-ca.pem"])
      copyFileSync(join(this.files.folder, name), join(folder, name));
    return clientFilesIn(folder);
  }

  /** As a client's, of an authority that has the name of the right one and is another. */
  async forged(): Promise<ClientFiles> {
    const folder = join(this.files.folder, "forged");
    mkdirSync(folder);
    const { signs } = await firstTrust("clients");
    writeOwn(folder, "client", await signs.issue({ name: "load" }));
    writeAuthorities(folder, "client", this.clients);
    return clientFilesIn(folder);
  }

  /** The folder of a broker, and where its container must see it. */
  mountOf(id: number): { readonly source: string; readonly target: string; readonly mode: "ro" } {
    return { source: this.folderOf(id), target: INSIDE, mode: "ro" };
  }

  /** Settings of every broker, and of the command line in its container. */
  get settings(): Readonly<Record<string, string>> {
    const at = (name: string): string => join(INSIDE, name);
    return {
      VARVE_TLS_CERT_FILE: at("client.pem"),
      VARVE_TLS_KEY_FILE: at("client.key"),
      VARVE_TLS_CA_FILE: at("client-ca.pem"),
      VARVE_TLS_CLIENT_AUTH: "required",
      VARVE_PEER_TLS_CERT_FILE: at("peer.pem"),
      VARVE_PEER_TLS_KEY_FILE: at("peer.key"),
      VARVE_PEER_TLS_CA_FILE: at("peer-ca.pem"),
      VARVE_CLIENT_TLS_CA_FILE: at("client-ca.pem"),
      VARVE_CLIENT_TLS_CERT_FILE: at("client.pem"),
      VARVE_CLIENT_TLS_KEY_FILE: at("client.key"),
    };
  }

  remove(): void {
    this.files.remove();
  }

  private writeTrusted(): void {
    for (const folder of this.brokerFolders()) {
      writeAuthorities(folder, "client", this.clients);
      writeAuthorities(folder, "peer", this.peers);
    }
    writeAuthorities(this.files.folder, "client", this.clients);
  }

  private brokerFolders(): string[] {
    return Array.from({ length: this.brokersMax }, (_, at) => this.folderOf(at + 1));
  }

  private folderOf(id: number): string {
    const folder = join(this.files.folder, `broker-${id}`);
    mkdirSync(folder, { recursive: true });
    chmodSync(folder, 0o755); // Its user in the container is another one than here.
    return folder;
  }
}

/** Whole, unlike the SDK's own type. */
type ClientFiles = Required<Pick<TlsOptions, "caFile" | "certFile" | "keyFile">>;

async function firstTrust(name: string): Promise<Trust> {
  const signs = await createAuthority(name);
  return { signs, trusted: [signs] };
}

async function withNew({ trusted }: Trust, name: string): Promise<Trust> {
  const signs = await createAuthority(name);
  return { signs, trusted: [...trusted, signs] };
}

function clientFilesIn(folder: string): ClientFiles {
  const at = (name: string): string => join(folder, name);
  return { caFile: at("client-ca.pem"), certFile: at("client.pem"), keyFile: at("client.key") };
}

function writeOwn(folder: string, name: string, { cert, key }: IssuedCertificate): void {
  write(folder, `${name}.key`, key);
  write(folder, `${name}.pem`, cert);
}

function writeAuthorities(folder: string, name: string, { trusted }: Trust): void {
  write(folder, `${name}-ca.pem`, trusted.map(({ cert }) => cert).join(""));
}

function write(folder: string, name: string, text: string): void {
  writeFileSync(join(folder, name), text, { mode: 0o644 });
}
