/**
 * layout.ts: where the brokers of a local cluster live: ports and files, all derived from a folder, a base port and a number.
 */
import { join, resolve } from "node:path";
import { assertDefined } from "@varve/base";

const HOST = "127.0.0.1";
/** Ports of two neighbouring brokers are this far apart. */
const PORT_STEP = 10;
/** Largest base port of `count` brokers, so that the last broker's ports exist. */
const PORT_MAX = 65_535;

/** One broker's place. Addresses are `127.0.0.1:port`, paths are absolute. */
export interface BrokerPlace {
  readonly id: number;
  readonly grpc: string;
  readonly peer: string;
  readonly ops: string;
  readonly dataDir: string;
  readonly logFile: string;
  readonly configFile: string;
}

/** Three ports of one broker. */
export interface BrokerPorts {
  readonly grpc: number;
  readonly peer: number;
  readonly ops: number;
}

/** Broker i on basePort + 10 (i - 1), + 1 for its peers, + 2 for operators. */
export function portsFrom(basePort: number, count: number): BrokerPorts[] {
  return Array.from({ length: count }, (_, index) => {
    const grpc = basePort + PORT_STEP * index;
    return { grpc, peer: grpc + 1, ops: grpc + 2 };
  });
}

/** Largest base port that leaves room for `count` brokers. */
export function basePortMax(count: number): number {
  return PORT_MAX - 2 - PORT_STEP * (count - 1);
}

/** Brokers 1, 2, ... in `folder`, one per entry of `ports`. */
export function placeBrokers(folder: string, ports: readonly BrokerPorts[]): BrokerPlace[] {
  const root = resolve(folder);
  return ports.map(({ grpc, peer, ops }, index) => ({
    id: index + 1,
    grpc: `${HOST}:${grpc}`,
    peer: `${HOST}:${peer}`,
    ops: `${HOST}:${ops}`,
    dataDir: join(root, `broker-${index + 1}`),
    logFile: join(root, `broker-${index + 1}.log`),
    configFile: join(root, `broker-${index + 1}.yaml`),
  }));
}

/** The bootstrap text of a client: all gRPC addresses. */
export function bootstrapOf(places: readonly BrokerPlace[]): string {
  return places.map(({ grpc }) => grpc).join(",");
}

/** The port of an address of a place. */
export function portOf(address: string): number {
  return Number(assertDefined(address.split(":").at(-1), "an address of a place ends in :port"));
}
