/** moving-names.test.ts: names of brokers whose address changes while clients use them, as those of pods do: over real loopback sockets. */
import dns from "node:dns";
import { createServer as createTcpServer } from "node:net";
import { ownTimeMs } from "@varve/base/testing";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { METHODS } from "../methods.js";
import type { RpcServer } from "../server.js";
import { logHandlers } from "../testing/handlers.js";
import type { RpcChannel } from "../transport.js";
import { createServer } from "./grpc-server.js";
import { createClient } from "./grpc-transport.js";

/** What the change of a name may take, on a machine that is not busy. */
const WITHIN_MS = 5_000;
/** For busy machines. */
const DEADLINE_MS = 60_000;
const NAME = "varve-0.varve.test";

const cleanups: (() => unknown)[] = [];
let address = "127.0.0.2";

beforeEach(() => {
  const lookup = async (): Promise<dns.LookupAddress[]> => [{ address, family: 4 }];
  vi.spyOn(dns.promises, "lookup").mockImplementation(lookup as unknown as typeof dns.promises.lookup);
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  vi.restoreAllMocks();
});

async function brokerAt(host: string, port: number): Promise<{ server: RpcServer; port: number }> {
  const server = createServer();
  server.addLogService(logHandlers({ initProducer: async () => ({ producerId: 7, producerEpoch: 0 }) }));
  const bound = await server.start(host, port);
  server.setServing(true);
  cleanups.push(() => server.destroy());
  return { server, port: bound.port };
}

function clientOf(port: number): RpcChannel {
  const client = createClient(`${NAME}:${port}`);
  cleanups.push(() => client.close());
  return client;
}

/** Time of this process until a call succeeds, milliseconds. `failed` is called after each one that does not. */
async function untilAnswered(client: RpcChannel, failed: () => void = () => {}): Promise<number> {
  const startedMs = ownTimeMs();
  const deadlineMs = performance.now() + DEADLINE_MS;
  for (;;) {
    try {
      await client.unary(METHODS.initProducer, {}, { deadlineMs: 1_000 });
      return ownTimeMs() - startedMs;
    } catch (error) {
      if (performance.now() > deadlineMs) throw error;
      failed();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

test("a broker that comes back at another address is found without being told to look again", async () => {
  address = "127.0.0.2";
  const { server, port } = await brokerAt(address, 0);
  const client = clientOf(port);
  await untilAnswered(client);
  server.destroy();
  address = "127.0.0.3";
  await brokerAt(address, port);
  expect(await untilAnswered(client)).toBeLessThan(WITHIN_MS);
});

test("renewing a channel finds it where nothing answers at the old address, not even with a refusal", async () => {
  address = "127.0.0.2";
  const silent = createTcpServer((socket) => socket.on("error", () => {}));
  await new Promise<void>((resolve) => silent.listen(0, address, resolve));
  cleanups.push(() => silent.close());
  const bound = silent.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : 0;
  const client = clientOf(port);
  await expect(client.unary(METHODS.initProducer, {}, { deadlineMs: 500 })).rejects.toMatchObject({ code: "TIMEOUT" });
  address = "127.0.0.3";
  await brokerAt(address, port);
  expect(await untilAnswered(client, () => client.renew())).toBeLessThan(WITHIN_MS);
});

test("renewing a channel leaves calls that are under way alone", async () => {
  address = "127.0.0.2";
  const server = createServer();
  const arrived: (() => void)[] = [];
  const initProducer = async (): Promise<{ producerId: number; producerEpoch: number }> => {
    await new Promise<void>((resolve) => arrived.push(resolve));
    return { producerId: 8, producerEpoch: 0 };
  };
  server.addLogService(logHandlers({ initProducer }));
  const { port } = await server.start(address, 0);
  cleanups.push(() => server.destroy());
  const client = clientOf(port);
  const call = client.unary(METHODS.initProducer, {}, { deadlineMs: DEADLINE_MS });
  await vi.waitFor(() => expect(arrived).toHaveLength(1), DEADLINE_MS);
  client.renew();
  const next = client.unary(METHODS.initProducer, {}, { deadlineMs: DEADLINE_MS });
  await vi.waitFor(() => expect(arrived).toHaveLength(2), DEADLINE_MS);
  for (const answer of arrived) answer();
  expect(await Promise.all([call, next])).toMatchObject([{ producerId: 8 }, { producerId: 8 }]);
});
