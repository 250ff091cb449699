/**
 * ports.ts: ports for the brokers of a test, which are theirs until its process ends, also while a broker is down.
 *
 * They lie below those from which systems take the ports of outgoing connections (Linux: 32768 on), or a connection could take that of a broker that is
 * about to start again. Several test processes run at once: each claims a port by binding its number for UDP, which hinders no listener of TCP, and
 * which the system takes back when the process ends, however it ends.
 */
import { randomInt } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { createServer } from "node:net";

const HOST = "127.0.0.1";
const FIRST = 11_000;
const END = 19_000;
const TRIES = 200;
/** `varve dev`: broker i has three ports from base + 10 (i - 1) on. */
const STEP = 10;
const PORTS_PER_BROKER = 3;

/** Kept from the collector, which would close them. */
const claims = new Set<Socket>();

/** Single ports. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) ports.push(...(await someFree((first) => [first])));
  return ports;
}

/** A base port of `brokers` brokers, as `varve dev --port` takes one. */
export async function freeBasePort(brokers: number): Promise<number> {
  const steps = Array.from({ length: brokers }, (_, at) => STEP * at);
  const [base = 0] = await someFree((first) =>
    steps.flatMap((step) => Array.from({ length: PORTS_PER_BROKER }, (_, at) => first + step + at)),
  );
  return base;
}

/** The ports that belong to the first of some random numbers with which all of them are free. */
async function someFree(portsFrom: (first: number) => readonly number[]): Promise<readonly number[]> {
  for (let tries = 0; tries < TRIES; tries++) {
    const ports = portsFrom(randomInt(FIRST, END));
    const claimed = (await Promise.all(ports.map(claim))).filter((socket) => socket !== null);
    const listened = await Promise.all(ports.map(canListen));
    if (claimed.length === ports.length && !listened.includes(false)) {
      for (const socket of claimed) claims.add(socket);
      return ports;
    }
    for (const socket of claimed) socket.close();
  }
  throw new Error(`no free ports in ${FIRST} .. ${END - 1}, ${TRIES} times`);
}

function claim(port: number): Promise<Socket | null> {
  const socket = createSocket("udp4").unref();
  return new Promise((resolve) => {
    socket.once("error", () => resolve(null));
    socket.bind({ address: HOST, port, exclusive: true }, () => resolve(socket));
  });
}

function canListen(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen({ host: HOST, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
