/**
 * security.ts: the TLS of a broker's listeners: its files are read, watched, and told of in log and metrics.
 *
 * Invariants:
 *   X1  a broker that is to speak TLS and cannot does not start; it never falls back to plain text
 *   X2  a certificate in date is never replaced by one that is not; at the start there is none to keep
 */
import { DAY_MS, isVarveError, type Link, type Logger } from "@varve/base";
import { readTlsFiles, type TlsFiles, TlsKeeper, type TlsMaterial } from "@varve/base/node";
import { CLUSTER_URI, clustersNamed, nodeLink, tlsLink } from "@varve/peer/node";
import type { ServerTls } from "@varve/rpc/node";
import { type BrokerConfig, exposedInPlain, invalidConfig } from "../config/index.js";
import type { BrokerMetrics, TlsListener } from "../ops/index.js";
import { RefusalNotes } from "./refusal-notes.js";

export interface Security {
  /** For the clients' port; undefined: plain. */
  readonly clients: ServerTls | undefined;
  /** Between brokers. */
  readonly link: Link;
  /** What the certificate for peers names; null without one. */
  readonly certifiedClusterId: string | null;
  close(): void;
}

/** Certificates that end sooner are warned of at the start and when they are read again. */
const WARN_MS = 14 * DAY_MS;

/** @throws VarveError INVALID_CONFIG: files cannot be used, or the certificate for peers names no cluster, or another one than is expected. */
export async function openSecurity(config: BrokerConfig, metrics: BrokerMetrics, logger: Logger): Promise<Security> {
  warnOfPlain(config, logger);
  const keepers: TlsKeeper[] = [];
  const notes = new RefusalNotes(logger);
  const close = (): void => {
    for (const keeper of keepers) keeper.close();
  };
  const open = async (
    listener: TlsListener,
    files: TlsFiles,
    accept: (material: TlsMaterial) => void,
  ): Promise<TlsKeeper> => {
    const keeper = await openKeeper(listener, files, accept, logger);
    keepers.push(keeper);
    metrics.watchCertificates(listener, () => keeper.material);
    return keeper;
  };
  try {
    const clients = config.tls.certFile === null ? null : await open("clients", config.tls, () => {});
    const peers = config.peerTls.certFile === null ? null : await openPeers(config, open);
    if (keepers.length > 0) {
      const sum = (of: (counts: TlsKeeper["counts"]) => number): number =>
        keepers.reduce((total, { counts }) => total + of(counts), 0);
      metrics.watchCounter("tlsReloads", () => sum(({ reloads }) => reloads));
      metrics.watchCounter("tlsReloadFailures", () => sum(({ failures }) => failures));
      metrics.watchCounter("tlsRefused", () => notes.count);
    }
    const onRefused = (listener: TlsListener) => (address: string, why: string) => notes.note(listener, address, why);
    return {
      clients:
        clients === null
          ? undefined
          : { keeper: clients, clientAuth: config.tls.clientAuth, onRefused: onRefused("clients") },
      link: peers === null ? nodeLink : tlsLink({ ...peers, onRefused: onRefused("peers") }),
      certifiedClusterId: peers?.clusterId ?? null,
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

async function openPeers(
  config: BrokerConfig,
  open: (listener: TlsListener, files: TlsFiles, accept: (material: TlsMaterial) => void) => Promise<TlsKeeper>,
): Promise<{ readonly keeper: TlsKeeper; readonly clusterId: string }> {
  let known: string | null = config.cluster.expectedClusterId;
  const keeper = await open("peers", config.peerTls, (material) => {
    known = requireCluster(material, known, config.peerTls.certFile);
  });
  return { keeper, clusterId: requireCluster(keeper.material, known, config.peerTls.certFile) };
}

/** What would end the start of a broker with these files. */
export async function tlsFileProblems({ tls, peerTls, cluster }: BrokerConfig): Promise<string[]> {
  const [ofClients, ofPeers] = await Promise.all([
    problemsOf(tls, () => {}),
    problemsOf(peerTls, (material) => {
      if (material.certificate !== null) requireCluster(material, cluster.expectedClusterId, peerTls.certFile);
    }),
  ]);
  return [...new Set([...ofClients, ...ofPeers])];
}

/** Of each file, or else of all together. */
async function problemsOf(files: TlsFiles, accept: (material: TlsMaterial) => void): Promise<string[]> {
  const { certFile, keyFile, caFile } = files;
  const none: TlsFiles = { certFile: null, keyFile: null, caFile: null };
  const each = [{ certFile }, { keyFile }, { caFile }].map((one) => problemOf({ ...none, ...one }, () => {}));
  const problems = (await Promise.all(each)).flat();
  return problems.length > 0 ? problems : problemOf(files, accept);
}

async function problemOf(files: TlsFiles, accept: (material: TlsMaterial) => void): Promise<string[]> {
  try {
    accept(await readTlsFiles(files));
    return [];
  } catch (error) {
    if (!isVarveError(error)) throw error;
    const { problems } = error.details;
    return Array.isArray(problems) ? problems : [error.message];
  }
}

/** The one cluster that the certificate names. @throws VarveError INVALID_CONFIG. */
function requireCluster({ certificate }: TlsMaterial, known: string | null, file: string | null): string {
  const [clusterId, second] = clustersNamed(certificate?.subjectAltName);
  if (clusterId === undefined || second !== undefined) {
    throw invalidConfig([`the certificate in ${file} must have exactly one alternative name ${CLUSTER_URI}ID (a URI)`]);
  }
  if (known !== null && known !== clusterId)
    throw invalidConfig([`the certificate in ${file} is of cluster ${clusterId}, but this broker's is ${known}`]);
  return clusterId;
}

function openKeeper(
  listener: TlsListener,
  files: TlsFiles,
  accept: (material: TlsMaterial) => void,
  logger: Logger,
): Promise<TlsKeeper> {
  return TlsKeeper.open(files, {
    accept: (material, inUse) => {
      accept(material);
      if (inUse !== null && isInDate(inUse)) requireInDate(material, files.certFile); // X2
      warnOfExpiry(listener, material, logger);
    },
    onReload: ({ certificateExpiryMs }) =>
      logger.info({ listener, expires: isoOf(certificateExpiryMs) }, "TLS files have changed and are used from now on"),
    onTrouble: (error) =>
      logger.error(
        { err: error, listener },
        `TLS files have changed and cannot be used, the earlier ones stay in use: ${error.message}`,
      ),
  });
}

function isInDate({ certificate, certificateExpiryMs }: TlsMaterial): boolean {
  const nowMs = Date.now();
  return certificate === null || (Date.parse(certificate.validFrom) <= nowMs && nowMs < (certificateExpiryMs ?? 0));
}

/** @throws VarveError INVALID_CONFIG. */
function requireInDate(material: TlsMaterial, file: string | null): void {
  if (isInDate(material)) return;
  const from = isoOf(Date.parse(material.certificate?.validFrom ?? ""));
  throw invalidConfig([
    `the certificate in ${file} is valid from ${from} to ${isoOf(material.certificateExpiryMs)}, and the earlier one is still in date`,
  ]);
}

function warnOfExpiry(listener: TlsListener, material: TlsMaterial, logger: Logger): void {
  const endMs = Math.min(material.certificateExpiryMs ?? Infinity, material.authorityExpiryMs ?? Infinity);
  if (endMs - Date.now() > WARN_MS) return;
  const what = endMs < Date.now() ? "has expired" : "expires soon";
  logger.warn({ listener, expires: isoOf(endMs) }, `a TLS certificate ${what}: renew it`);
}

function warnOfPlain(config: BrokerConfig, logger: Logger): void {
  const plain = exposedInPlain(config);
  if (plain.length === 0) return;
  logger.warn(
    { address: config.listen.address, listeners: plain },
    `listen.insecure: ${plain.join(" and ")} on ${config.listen.address} are neither encrypted nor authenticated; whoever reaches the address can read and write everything`,
  );
}

function isoOf(timeMs: number | null): string | null {
  return timeMs === null ? null : new Date(timeMs).toISOString();
}
