/**
 * dev-file.ts: `dev.json`, by which other programs find a local cluster: its address and the processes of its brokers.
 *
 * Invariants:
 *   J1  the file is always whole: written beside and renamed
 *   J2  it is there only while the cluster that it describes has been ready and its `varve dev` has not stopped
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BrokerPlace } from "../brokers/layout.js";
import { bootstrapOf } from "../brokers/layout.js";

/** One broker in dev.json; addresses are `127.0.0.1:port`, paths absolute. */
export interface DevBroker {
  readonly id: number;
  /** The broker's process; while it is down between death and restart, the one that died. */
  readonly pid: number;
  /** Clients. */
  readonly grpc: string;
  /** Other brokers. */
  readonly peer: string;
  /** HTTP: /livez, /readyz, /metrics. */
  readonly ops: string;
  readonly dataDir: string;
  readonly logFile: string;
}

export interface DevFile {
  /** The process of `varve dev`. */
  readonly pid: number;
  /** For --bootstrap and `new Varve({ bootstrap })`. */
  readonly bootstrap: string;
  /** What clients need to speak TLS: the options of the SDK. Absent: plain text. */
  readonly tls?: { readonly caFile: string };
  readonly brokers: readonly DevBroker[];
}

const NAME = "dev.json";

/** What dev.json says about brokers with these processes, ordered by id. */
export function describeDev(
  pid: number,
  brokers: readonly { readonly place: BrokerPlace; readonly pid: number }[],
  caFile: string | null = null,
): DevFile {
  return {
    pid,
    bootstrap: bootstrapOf(brokers.map(({ place }) => place)),
    ...(caFile === null ? {} : { tls: { caFile } }),
    brokers: brokers.map(({ place, pid: brokerPid }) => {
      const { id, grpc, peer, ops, dataDir, logFile } = place;
      return { id, pid: brokerPid, grpc, peer, ops, dataDir, logFile };
    }),
  };
}

export function writeDevFile(folder: string, content: DevFile): void {
  const path = join(folder, NAME);
  writeFileSync(`${path}.tmp`, `${JSON.stringify(content, null, 2)}\n`);
  renameSync(`${path}.tmp`, path);
}

/** The file in `folder`. @throws when there is none. */
export function readDevFile(folder: string): DevFile {
  return JSON.parse(readFileSync(join(folder, NAME), "utf8")) as DevFile;
}

export function removeDevFile(folder: string): void {
  rmSync(join(folder, NAME), { force: true });
}
