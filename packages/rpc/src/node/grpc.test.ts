/** grpc.test.ts: server and client over loopback sockets, and the server judged by a client that is not ours. */
import { once } from "node:events";
import { connect } from "node:http2";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { ERROR_CATALOGUE, type ErrorCode, isVarveError, LIMITS, VarveError } from "@varve/base";
import { afterEach, expect, test, vi } from "vitest";
import { METHODS } from "../methods.js";
import type { AdminServiceHandlers, LogServiceHandlers, RpcServer } from "../server.js";
import { adminHandlers, logHandlers } from "../testing/handlers.js";
import type { RpcChannel } from "../transport.js";
import { createServer } from "./grpc-server.js";
import { createClient } from "./grpc-transport.js";
import { FLOW_CONTROL_WINDOW_BYTES } from "./options.js";

const MIB = 2 ** 20;
/** More than flow control lets through. */
const MESSAGES = (2 * FLOW_CONTROL_WINDOW_BYTES) / MIB;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Started {
  readonly server: RpcServer;
  readonly client: RpcChannel;
  readonly port: number;
  readonly internal: unknown[];
}

async function start(log: Partial<LogServiceHandlers>, admin: Partial<AdminServiceHandlers> = {}): Promise<Started> {
  const internal: unknown[] = [];
  const server = createServer({ onInternalError: (error) => internal.push(error) });
  server.addLogService(logHandlers(log));
  server.addAdminService(adminHandlers(admin));
  const { port } = await server.start("127.0.0.1", 0);
  server.setServing(true);
  const client = createClient(`127.0.0.1:${port}`);
  cleanups.push(
    () => server.destroy(),
    () => client.close(),
  );
  return { server, client, port, internal };
}

async function failure(promise: Promise<unknown>): Promise<VarveError> {
  const error = await promise.then(
    () => new Error("it succeeded"),
    (thrown: unknown) => thrown,
  );
  if (!isVarveError(error)) throw error;
  return error;
}

const IN_TIME = { deadlineMs: 5_000 };

test("every error of the catalogue crosses a socket whole, with the status that the catalogue says", async () => {
  let next = new VarveError("CLOSED", { message: "" });
  const { client } = await start({ initProducer: () => Promise.reject(next) });
  for (const code of Object.keys(ERROR_CATALOGUE) as ErrorCode[]) {
    if (code === "INTERNAL") continue;
    next = new VarveError(code, {
      message: `${code} é`,
      effect: "UNKNOWN",
      details: { topic: "orders", n: 1 },
      retryAfterMs: 40,
    });
    const { effect, retryable, details, retryAfterMs, message } = next;
    expect(await failure(client.unary(METHODS.initProducer, {}, IN_TIME))).toMatchObject({
      code,
      effect,
      retryable,
      details,
      retryAfterMs,
      message,
    });
  }
});

test("what is not a VarveError is told to the server's owner and to nobody else", async () => {
  const { client, internal } = await start({ initProducer: () => Promise.reject(new TypeError("secret")) });
  const error = await failure(client.unary(METHODS.initProducer, {}, IN_TIME));
  expect(error).toMatchObject({ code: "INTERNAL", effect: "UNKNOWN" });
  expect(error.message).not.toContain("secret");
  expect(internal).toMatchObject([{ message: "secret" }]);
});

test("a message that cannot be read gets a typed error", async () => {
  const { port } = await start({});
  const raw = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  cleanups.push(() => raw.close());
  const same = (bytes: Buffer): Buffer => bytes;
  const status = await new Promise<{ code: number; details: string; metadata: Metadata }>((resolve) => {
    raw.makeUnaryRequest(
      "/varve.v1.LogService/Produce",
      same,
      same,
      Buffer.from([0x0a, 0x7f, 0x61]),
      new Metadata(),
      {},
      (error) => {
        if (error !== null) resolve(error);
      },
    );
  });
  expect(status.code).toBe(3);
  expect(status.details).toContain("ProduceRequest is cut off");
  expect(status.metadata.get("grpc-status-details-bin")).toHaveLength(1);
});

test("nobody listening is UNREACHABLE, and nothing was written", async () => {
  const { server, client } = await start({ initProducer: async () => ({}) });
  await server.close(0);
  expect(await failure(client.unary(METHODS.initProducer, {}, IN_TIME))).toMatchObject({
    code: "UNREACHABLE",
    effect: "NOT_APPLIED",
  });
  const stream = client.bidi(METHODS.produceStream, {});
  expect(await failure(stream.responses[Symbol.asyncIterator]().next())).toMatchObject({
    code: "UNREACHABLE",
    effect: "NOT_APPLIED",
  });
});

test("a server that dies in the middle of a call leaves its effect unknown", async () => {
  const { server, client } = await start({ initProducer: () => new Promise(() => {}) });
  const call = failure(client.unary(METHODS.initProducer, {}, IN_TIME));
  await new Promise((resolve) => setTimeout(resolve, 100));
  server.destroy();
  expect(await call).toMatchObject({ code: "UNREACHABLE", effect: "UNKNOWN" });
});

test("a passed deadline is TIMEOUT with unknown effect, and the handler hears of it", async () => {
  const heard = vi.fn();
  const { client } = await start({
    initProducer: (_, { signal, deadlineMs }) => {
      expect(deadlineMs).toBeGreaterThan(50);
      expect(deadlineMs).toBeLessThanOrEqual(150);
      signal.addEventListener("abort", heard);
      return new Promise(() => {});
    },
  });
  expect(await failure(client.unary(METHODS.initProducer, {}, { deadlineMs: 150 }))).toMatchObject({
    code: "TIMEOUT",
    effect: "UNKNOWN",
  });
  await vi.waitFor(() => expect(heard).toHaveBeenCalled(), { timeout: 30_000 });
});

test("an aborted call settles at once with ABORTED; one that is aborted before it begins writes nothing", async () => {
  const { client } = await start({ initProducer: () => new Promise(() => {}) });
  const controller = new AbortController();
  const call = failure(client.unary(METHODS.initProducer, {}, { ...IN_TIME, signal: controller.signal }));
  setTimeout(() => controller.abort(), 30);
  expect(await call).toMatchObject({ code: "ABORTED", effect: "UNKNOWN" });
  expect(
    await failure(client.unary(METHODS.initProducer, {}, { ...IN_TIME, signal: AbortSignal.abort() })),
  ).toMatchObject({
    code: "ABORTED",
    effect: "NOT_APPLIED",
  });
});

test("a request as large as the limits allow passes; a larger one is refused", async () => {
  const { client } = await start({ produce: async ({ batch }) => ({ baseOffset: batch.length }) });
  const produce = (bytes: number) =>
    client.unary(METHODS.produce, { batch: new Uint8Array(bytes) }, { deadlineMs: 20_000 });
  expect((await produce(LIMITS.produceRequestBytesMax)).baseOffset).toBe(LIMITS.produceRequestBytesMax);
  expect(await failure(produce(LIMITS.produceRequestBytesMax + 2 ** 20))).toMatchObject({ code: "INVALID_ARGUMENT" });
});

test("a stream keeps order in both directions and ends in order", async () => {
  const { client } = await start({
    produceStream: async (stream) => {
      for await (const { correlationId } of stream.requests)
        await stream.write({ correlationId, result: { baseOffset: correlationId } });
    },
  });
  const stream = client.bidi(METHODS.produceStream, {});
  const sending = (async () => {
    for (let correlationId = 1; correlationId <= 500; correlationId++) await stream.write({ correlationId });
    stream.end();
  })();
  const seen: number[] = [];
  for await (const { correlationId } of stream.responses) seen.push(correlationId);
  await sending;
  expect(seen).toEqual(Array.from({ length: 500 }, (_, at) => at + 1));
});

test("a server that does not read holds its client back", async () => {
  let release = (): void => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  let received = 0;
  const { client } = await start({
    produceStream: async (stream) => {
      await released;
      for await (const { produce } of stream.requests) received += produce?.batch.length ?? 0;
    },
  });
  const stream = client.bidi(METHODS.produceStream, {});
  const batch = new Uint8Array(2 ** 20);
  let written = 0;
  const writing = (async () => {
    for (; written < 64; written++) await stream.write({ correlationId: written, produce: { batch } });
    stream.end();
  })();
  let before = -1;
  while (before !== written) {
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  expect(written).toBeLessThan(64);
  release();
  await writing;
  for await (const _ of stream.responses);
  expect(received).toBe(64 * 2 ** 20);
});

test("leaving a stream's responses cancels it, and the server hears of it", async () => {
  const over = vi.fn();
  const { client } = await start({
    subscribe: async (stream, { signal }) => {
      signal.addEventListener("abort", over);
      for await (const _ of stream.requests) for (;;) await stream.write({ progress: { nextOffset: 1 } });
    },
  });
  const stream = client.bidi(METHODS.subscribe, {});
  await stream.write({ grant: { bytes: 1 } });
  for await (const { progress } of stream.responses) {
    expect(progress?.nextOffset).toBe(1);
    break;
  }
  await vi.waitFor(() => expect(over).toHaveBeenCalled());
});

test("close ends streams with SHUTTING_DOWN, lets unary calls finish, and refuses new ones", async () => {
  let finish = (): void => {};
  const { server, client } = await start({
    produceStream: async (stream) => {
      for await (const { correlationId } of stream.requests) await stream.write({ correlationId });
    },
    initProducer: () =>
      new Promise((resolve) => {
        finish = () => resolve({ producerId: 7 });
      }),
  });
  const stream = client.bidi(METHODS.produceStream, {});
  await stream.write({ correlationId: 1 });
  const responses = stream.responses[Symbol.asyncIterator]();
  await responses.next();
  const call = client.unary(METHODS.initProducer, {}, IN_TIME);
  await vi.waitFor(() => expect(finish.toString()).toContain("resolve"));
  const closing = server.close(5_000);
  expect(await failure(responses.next())).toMatchObject({ code: "SHUTTING_DOWN", effect: "UNKNOWN", retryable: true });
  finish();
  expect(await call).toMatchObject({ producerId: 7 });
  await closing;
  expect(await failure(client.unary(METHODS.initProducer, {}, IN_TIME))).toMatchObject({ code: "UNREACHABLE" });
});

test("a stream hears that the server closes, also when an answer was just handed over", async () => {
  const closing: Promise<void>[] = [];
  const { server, client } = await start({
    produceStream: async (stream) => {
      for await (const { correlationId } of stream.requests) {
        void stream.write({ correlationId }).catch(() => {});
        closing.push(server.close(5_000));
      }
    },
  });
  const stream = client.bidi(METHODS.produceStream, {});
  await stream.write({ correlationId: 1 });
  const responses = stream.responses[Symbol.asyncIterator]();
  expect(await responses.next()).toMatchObject({ value: { correlationId: 1 } });
  // Cut off with its connection it would be UNREACHABLE.
  expect(await failure(responses.next())).toMatchObject({ code: "SHUTTING_DOWN" });
  await Promise.all(closing);
});

test("close cuts what has not finished when the grace is over", async () => {
  const { server, client } = await start({ initProducer: () => new Promise(() => {}) });
  const call = failure(client.unary(METHODS.initProducer, {}, IN_TIME));
  await new Promise((resolve) => setTimeout(resolve, 50));
  await server.close(50);
  expect(await call).toMatchObject({ code: "UNREACHABLE", effect: "UNKNOWN" });
});

test("close does not wait for a client that does not read what its stream was sent", async () => {
  let written = 0;
  const { server, port } = await start({
    subscribe: async (stream, { signal }) => {
      const batches = { subscriptionId: 1, batches: [Buffer.alloc(MIB)], nextOffset: 1 };
      for (; written < MESSAGES; written++) void stream.write({ batches }).catch(() => {});
      await once(signal, "abort");
    },
  });
  const session = connect(`http://127.0.0.1:${port}`);
  session.on("error", () => {});
  cleanups.push(() => session.destroy());
  const headers = {
    ":method": "POST",
    ":path": METHODS.subscribe.path,
    "content-type": "application/grpc",
    te: "trailers",
  };
  const stream = session.request(headers, { endStream: false });
  stream.on("error", () => {});
  await vi.waitFor(() => expect(written).toBe(MESSAGES));
  const startedMs = performance.now();
  await server.close(60_000);
  // After 10 s a connection that takes nothing is cut off anyway.
  expect(performance.now() - startedMs).toBeLessThan(7_000);
});

test("a port that is taken is ADDRESS_UNUSABLE", async () => {
  const { port } = await start({});
  const second = createServer();
  cleanups.push(() => second.destroy());
  expect(await failure(second.start("127.0.0.1", port))).toMatchObject({
    code: "ADDRESS_UNUSABLE",
    details: { address: `127.0.0.1:${port}` },
  });
});

test("a client finds a server that comes back on the same port", async () => {
  const { server, client, port } = await start({ initProducer: async () => ({ producerId: 1 }) });
  await client.unary(METHODS.initProducer, {}, IN_TIME);
  server.destroy();
  await failure(client.unary(METHODS.initProducer, {}, IN_TIME));
  const second = createServer();
  second.addLogService(logHandlers({ initProducer: async () => ({ producerId: 2 }) }));
  cleanups.push(() => second.destroy());
  await second.start("127.0.0.1", port);
  await vi.waitFor(
    async () => expect(await client.unary(METHODS.initProducer, {}, IN_TIME)).toMatchObject({ producerId: 2 }),
    5_000,
  );
});

test("a client may send several requests ahead of the server, on a stream and on the connection", async () => {
  const { port } = await start({});
  const session = connect(`http://127.0.0.1:${port}`);
  cleanups.push(() => session.destroy());
  await once(session, "remoteSettings");
  while (session.remoteSettings.initialWindowSize === 65_535) await once(session, "remoteSettings");
  expect(session.remoteSettings.initialWindowSize).toBe(FLOW_CONTROL_WINDOW_BYTES);
  await vi.waitFor(() => expect(session.state.remoteWindowSize).toBe(FLOW_CONTROL_WINDOW_BYTES));
});

test("many listeners to the end of a stream draw no warning", async () => {
  const warnings: string[] = [];
  const note = (warning: Error): void => void warnings.push(warning.name);
  process.on("warning", note);
  cleanups.push(() => process.off("warning", note));
  const { client } = await start({
    produceStream: async (stream, { signal }) => {
      for await (const { correlationId } of stream.requests) {
        signal.addEventListener("abort", () => undefined);
        await stream.write({ correlationId });
      }
    },
  });
  const stream = client.bidi(METHODS.produceStream, {});
  for (let correlationId = 1; correlationId <= 50; correlationId++) await stream.write({ correlationId });
  stream.end();
  let answers = 0;
  for await (const _ of stream.responses) answers++;
  expect(answers).toBe(50);
  await new Promise((resolve) => setImmediate(resolve));
  expect(warnings).toEqual([]);
});
