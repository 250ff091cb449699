/**
 * free-ports.ts: ports on the loopback interface that nobody listens on at this moment.
 *
 * They lie outside the ranges from which Linux (32768 on) and macOS (49152 on) take ports of outgoing connections, so that a killed broker finds
 * its own free again.
 */
import { randomInt } from "node:crypto";
import { createServer, type Server } from "node:net";
import { VarveError } from "@varve/base";

const FREE_FIRST = 20_000;
const FREE_END = 32_000;
const TRIES_PER_PORT = 20;

/** Different ones. All are held open until the last one is known. @throws VarveError ADDRESS_UNUSABLE. */
export async function freePorts(count: number): Promise<number[]> {
  const held = new Map<number, Server>();
  try {
    for (let tries = 0; held.size < count && tries < count * TRIES_PER_PORT; tries++) {
      const port = randomInt(FREE_FIRST, FREE_END);
      const server = held.has(port) ? null : await hold(port);
      if (server !== null) held.set(port, server);
    }
  } finally {
    await Promise.all([...held.values()].map((server) => new Promise((resolve) => server.close(resolve))));
  }
  if (held.size === count) return [...held.keys()];
  throw new VarveError("ADDRESS_UNUSABLE", {
    message: `found ${held.size} free ports of 127.0.0.1 in ${FREE_FIRST} .. ${FREE_END - 1}, but ${count} are needed; end what listens there`,
    effect: "NONE",
  });
}

/** A listener on that port; null: it is taken. */
function hold(port: number): Promise<Server | null> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(null));
    server.listen({ host: "127.0.0.1", port, exclusive: true }, () => resolve(server));
  });
}
