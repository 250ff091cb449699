/**
 * dev-tls.ts: the certificates of `varve dev --tls`: an authority for clients, one for brokers, and what they sign, in the cluster's folder.
 *
 * They are thrown away with the folder. Invariants:
 *   C1  brokers' certificates name the cluster that the folder's data belongs to; a fresh folder gets an id that its founding will take
 *   C2  certificates that are good for another day are kept, so that clients that trust their authority go on
 */
import { randomUUID, X509Certificate } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CLUSTER_URI } from "@varve/broker/node";
import { createAuthority, type IssuedCertificate } from "@varve/testing";
import type { BrokerTlsFiles } from "../brokers/config-file.js";

const DAY_MS = 86_400_000;
const VALID_MS = 90 * DAY_MS;
const KEY_MODE = 0o600;
const LOCAL = { dnsNames: ["localhost"], addresses: ["127.0.0.1", "::1"] };

/** Makes what is missing. `dataDirs`: of the brokers, which may hold a cluster already. */
export async function devCertificates(folder: string, dataDirs: readonly string[]): Promise<BrokerTlsFiles> {
  const root = join(folder, "tls");
  mkdirSync(root, { recursive: true });
  const path = (name: string): string => join(root, name);
  const files: BrokerTlsFiles = {
    caFile: path("ca.pem"),
    certFile: path("broker.pem"),
    keyFile: path("broker-key.pem"),
    peerCaFile: path("peer-ca.pem"),
    peerCertFile: path("peer.pem"),
    peerKeyFile: path("peer-key.pem"),
  };
  const peerUri = `${CLUSTER_URI}${clusterIn(dataDirs) ?? certifiedIn(files.peerCertFile) ?? randomUUID()}`;
  if (isGood(files.certFile, "IP Address:127.0.0.1") && isGood(files.peerCertFile, `URI:${peerUri}`)) return files;
  const life = { notAfter: new Date(Date.now() + VALID_MS) };
  const [ca, peerCa] = await Promise.all([
    createAuthority("varve dev: clients", life),
    createAuthority("varve dev: brokers", life),
  ]);
  write(files.certFile, files.keyFile, await ca.issue({ name: "varve dev: a broker", ...LOCAL, ...life }));
  write(
    files.peerCertFile,
    files.peerKeyFile,
    await peerCa.issue({ name: "varve dev: a broker among brokers", uris: [peerUri], ...life }),
  );
  writeFileSync(files.caFile, ca.cert);
  writeFileSync(files.peerCaFile, peerCa.cert);
  return files;
}

function write(certFile: string, keyFile: string, { cert, key }: IssuedCertificate): void {
  writeFileSync(certFile, cert);
  writeFileSync(keyFile, key, { mode: KEY_MODE });
}

/** Whether the file holds a certificate of this name that is good for another day. */
function isGood(file: string, name: string): boolean {
  const certificate = certificateIn(file);
  if (certificate === null || Date.parse(certificate.validTo) - Date.now() < DAY_MS) return false;
  return (certificate.subjectAltName ?? "").split(", ").includes(name);
}

/** Of certificates that were made for a founding that has not come about yet. */
function certifiedIn(file: string): string | null {
  const names = certificateIn(file)?.subjectAltName ?? "";
  return names.startsWith(`URI:${CLUSTER_URI}`) ? names.slice(`URI:${CLUSTER_URI}`.length) : null;
}

function certificateIn(file: string): X509Certificate | null {
  try {
    return new X509Certificate(readFileSync(file));
  } catch {
    return null;
  }
}

/** The cluster that one of the data directories belongs to; null: none does yet. */
function clusterIn(dataDirs: readonly string[]): string | null {
  for (const dataDir of dataDirs) {
    try {
      const { clusterId } = JSON.parse(readFileSync(join(dataDir, "node.json"), "utf8")) as { clusterId?: unknown };
      if (typeof clusterId === "string") return clusterId;
    } catch {
      // No directory yet, or one that is still to be founded.
    }
  }
  return null;
}
