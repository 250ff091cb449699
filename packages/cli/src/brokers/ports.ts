/**
 * ports.ts: which TCP ports of the loopback address are free.
 */
import { randomInt } from "node:crypto";
import { createServer } from "node:net";
import { VarveError } from "@varve/base";
import { type BrokerPlace, type BrokerPorts, portOf, portsFrom } from "./layout.js";

const HOST = "127.0.0.1";
/** Below the range from which Linux (32768) and macOS (49152) take the ports of outgoing connections. */
const FREE_FIRST = 20_000;
const FREE_LAST = 31_000;
const TRIES = 50;

/** Whether a listener can be opened now. */
export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ host: HOST, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** @throws VarveError ADDRESS_UNUSABLE that names every port in use. */
export async function requireFreePorts(places: readonly BrokerPlace[], remedy: string): Promise<void> {
  const addresses = places.flatMap(({ grpc, peer, ops }) => [grpc, peer, ops]);
  const free = await Promise.all(addresses.map((address) => isPortFree(portOf(address))));
  const taken = addresses.filter((_, index) => free[index] === false);
  if (taken.length === 0) return;
  throw new VarveError("ADDRESS_UNUSABLE", {
    message: `in use by another process: ${taken.join(", ")}; ${remedy}`,
    details: { addresses: taken },
  });
}

/**
 * Ports for `count` brokers that are free now. They lie outside the range of outgoing connections: a killed broker finds its ports
 * free again.
 */
export async function findFreePorts(count: number): Promise<BrokerPorts[]> {
  for (let tries = 0; tries < TRIES; tries++) {
    const ports = portsFrom(randomInt(FREE_FIRST, FREE_LAST), count);
    const free = await Promise.all(ports.flatMap(({ grpc, peer, ops }) => [grpc, peer, ops]).map(isPortFree));
    if (!free.includes(false)) return ports;
  }
  throw new VarveError("ADDRESS_UNUSABLE", {
    message: `found no free ports for ${count} brokers in ${FREE_FIRST} .. ${FREE_LAST} after ${TRIES} tries`,
  });
}
