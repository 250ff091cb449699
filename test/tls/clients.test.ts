/** clients.test.ts: TLS between clients and the clients' port: who is refused, by which name, and what changed files do. */
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { type AddressInfo, connect as connectTcp } from "node:net";
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from "node:tls";
import { isVarveError, type VarveError } from "@varve/base";
import { TlsKeeper } from "@varve/base/node";
import { METHODS, type RpcChannel } from "@varve/rpc";
import {
  type ClientTls,
  createServer,
  type GrpcRpcServer,
  grpcTransport,
  type ServerTls,
  tlsTransport,
} from "@varve/rpc/node";
import { logHandlers } from "@varve/rpc/testing";
import { createAuthority } from "@varve/testing";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { type CertificateFiles, Certificates, LOCAL, SECOND_AGO } from "./kit.js";

const STATE = { timeout: 30_000, interval: 20 };
const IN_TIME = { deadlineMs: 30_000 };
const LOOK_MS = 20;
const NO_FILES = { certFile: null, keyFile: null, caFile: null };
const cleanups: (() => void)[] = [];
let certificates: Certificates;
let own: CertificateFiles;

beforeAll(async () => {
  certificates = await Certificates.create();
  own = await certificates.issue(LOCAL);
});
afterAll(() => certificates.remove());
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

interface Started {
  readonly server: GrpcRpcServer;
  readonly port: number;
  readonly refusals: string[];
  /** Looks that found files which cannot be used. */
  failures(): number;
}

async function start(
  files: Partial<CertificateFiles> | null,
  clientAuth: ServerTls["clientAuth"] = "none",
): Promise<Started> {
  const refusals: string[] = [];
  let tls: ServerTls | undefined;
  let failures = (): number => 0;
  if (files !== null) {
    const keeper = await TlsKeeper.open({ ...NO_FILES, caFile: certificates.caFile, ...files }, { lookMs: LOOK_MS });
    cleanups.push(() => keeper.close());
    failures = () => keeper.counts.failures;
    tls = { keeper, clientAuth, onRefused: (_, why) => refusals.push(why) };
  }
  const server = createServer({ tls });
  server.addLogService(logHandlers({ initProducer: async () => ({ producerId: 7 }) }));
  const { port } = await server.start("127.0.0.1", 0);
  cleanups.push(() => server.destroy());
  return { server, port, refusals, failures };
}

function channel(port: number, tls: Partial<ClientTls> | null, host = "127.0.0.1"): RpcChannel {
  const transport = tls === null ? grpcTransport : tlsTransport({ ...NO_FILES, serverName: null, ...tls });
  const opened = transport.channel(`${host}:${port}`);
  cleanups.push(() => opened.close());
  return opened;
}

/** The producer id that a call gets, or why it got none. */
async function call(port: number, tls: Partial<ClientTls> | null, host?: string): Promise<number | VarveError> {
  const answer = channel(port, tls, host).unary(METHODS.initProducer, {}, IN_TIME);
  return answer.then(
    ({ producerId }) => producerId,
    (error: unknown) => {
      if (isVarveError(error)) return error;
      throw error;
    },
  );
}

async function expectRefused(answer: Promise<number | VarveError>, reason: string): Promise<void> {
  expect(await answer).toMatchObject({ code: "TLS_FAILED", effect: "NOT_APPLIED", details: { reason } });
}

test("a client that trusts the authority is served, by address, by name and by a name that it insists on", async () => {
  const { port } = await start(own);
  const { caFile } = certificates;
  expect(await call(port, { caFile })).toBe(7);
  expect(await call(port, { caFile }, "localhost")).toBe(7);
  expect(await call(port, { caFile, serverName: "localhost" })).toBe(7);
});

test("a broker that no trusted authority vouches for is refused as unknown-authority", async () => {
  const { port } = await start(own);
  await expectRefused(call(port, { caFile: certificates.strangerCaFile }), "unknown-authority");
  await expectRefused(call(port, {}), "unknown-authority");
});

test("a broker whose certificate is out of date is refused as expired, or as not-yet-valid", async () => {
  const old = await start(await certificates.issue({ ...LOCAL, notAfter: SECOND_AGO() }));
  await expectRefused(call(old.port, { caFile: certificates.caFile }), "expired");
  const early = await start(await certificates.issue({ ...LOCAL, notBefore: new Date(Date.now() + 3_600_000) }));
  await expectRefused(call(early.port, { caFile: certificates.caFile }), "not-yet-valid");
});

test("a broker whose certificate is for another name is refused as wrong-name", async () => {
  const { port } = await start(own);
  await expectRefused(call(port, { caFile: certificates.caFile, serverName: "other.example" }), "wrong-name");
});

test("a server without TLS is refused as plaintext, and a client without TLS is told tls-required", async () => {
  const plain = await start(null);
  await expectRefused(call(plain.port, { caFile: certificates.caFile }), "plaintext");
  const { port } = await start(own);
  await expectRefused(call(port, null), "tls-required");
});

test("files of the client that cannot be used fail the call at once, by name", async () => {
  const { port } = await start(own);
  const answer = await call(port, { caFile: "/does/not/exist.pem" });
  expect(answer).toMatchObject({ code: "TLS_FAILED", details: { reason: "files" } });
  expect(String(answer)).toContain("/does/not/exist.pem");
});

test("a connection made amid a renewal, when the key is new and the certificate not yet, waits for the other file", async () => {
  const { port } = await start(own, "required");
  const { caFile } = certificates;
  const files = await certificates.issue({ name: "renewed-client" });
  const { cert, key } = await certificates.authority.issue({ name: "renewed-client" });
  certificates.write("renewed-client.key", key);
  const answer = call(port, { caFile, ...files });
  setTimeout(() => certificates.write("renewed-client.pem", cert), 300);
  expect(await answer).toBe(7);
});

test("files that are cut off while a client works leave it those that it has", async () => {
  const { port } = await start(own, "required");
  const files = await certificates.issue();
  const troubles: string[] = [];
  const trusting = { ...NO_FILES, serverName: null, caFile: certificates.caFile, ...files };
  const transport = tlsTransport(trusting, ({ message }) => troubles.push(message));
  const ask = async (): Promise<number> => {
    const opened = transport.channel(`127.0.0.1:${port}`);
    cleanups.push(() => opened.close());
    return (await opened.unary(METHODS.initProducer, {}, IN_TIME)).producerId;
  };
  expect(await ask()).toBe(7);
  writeFileSync(files.certFile, "");
  expect([await ask(), await ask()]).toEqual([7, 7]);
  expect(troubles).toEqual([expect.stringContaining(`${files.certFile} holds no certificate`)]);
});

test("files that never fit each other fail the call, by name", async () => {
  const { port } = await start(own, "required");
  const [{ certFile }, { keyFile }] = [await certificates.issue(), await certificates.issue()];
  const answer = await call(port, { caFile: certificates.caFile, certFile, keyFile });
  expect(answer).toMatchObject({ code: "TLS_FAILED", details: { reason: "files" } });
  expect(String(answer)).toContain(keyFile);
});

test("an authority and its successor of the same name are told apart, whichever stands first", async () => {
  const next = await createAuthority("varve tests");
  const both = certificates.write("both-ca.pem", certificates.authority.cert + next.cert);
  const ofNext = await start(await certificates.issue(LOCAL, next));
  const ofFirst = await start(own);
  expect([await call(ofNext.port, { caFile: both }), await call(ofFirst.port, { caFile: both })]).toEqual([7, 7]);
});

test("a proxy that waits for the client's first word is served, too", async () => {
  const { port } = await start(null);
  const { cert, key } = await certificates.authority.issue({ name: "proxy", ...LOCAL });
  const proxy = createTlsServer({ cert, key, ALPNProtocols: ["h2"] }, (socket) => {
    socket.on("error", () => {});
    socket.once("data", (first: Buffer) => {
      const broker = connectTcp({ host: "127.0.0.1", port });
      broker.on("error", () => {});
      broker.write(first);
      socket.pipe(broker).pipe(socket);
    });
  });
  await once(proxy.listen(0, "127.0.0.1"), "listening");
  cleanups.push(() => proxy.close());
  const { port: proxied } = proxy.address() as AddressInfo;
  expect(await call(proxied, { caFile: certificates.caFile })).toBe(7);
});

test("where client certificates are required, one of the authority is served", async () => {
  const { port, refusals } = await start(own, "required");
  expect(await call(port, { caFile: certificates.caFile, ...(await certificates.issue()) })).toBe(7);
  expect(refusals).toEqual([]);
});

test("where client certificates are required, none, a stranger's and an expired one are refused, each by its name", async () => {
  const { port, refusals } = await start(own, "required");
  const { caFile, stranger } = certificates;
  await expectRefused(call(port, { caFile }), "client-certificate-missing");
  await expectRefused(
    call(port, { caFile, ...(await certificates.issue({}, stranger)) }),
    "client-certificate-refused",
  );
  const expired = await call(port, { caFile, ...(await certificates.issue({ notAfter: SECOND_AGO() })) });
  expect(String(expired)).toContain("CERT_HAS_EXPIRED");
  expect(new Set(refusals).size).toBe(3);
});

test("a connection without a certificate does not become authorised by resuming its session", async () => {
  const { port, refusals } = await start(own, "required");
  const first = rawSocket(port);
  let session: Buffer | undefined = first.getSession();
  first.on("session", (ticket: Buffer) => {
    session = ticket;
  });
  first.resume();
  await once(first, "close");
  expect(session).toBeDefined();
  const second = await rawConnection(port, session);
  const [line] = (await once(second, "data")) as [Buffer];
  expect(second.isSessionReused()).toBe(false);
  expect(line.toString()).toContain("client-certificate-missing");
  expect(refusals).toHaveLength(2);
});

function rawSocket(port: number, session?: Buffer): TLSSocket {
  const { cert: ca } = certificates.authority;
  const options = { host: "127.0.0.1", port, ca, ALPNProtocols: ["h2"], ...(session === undefined ? {} : { session }) };
  const socket = connectTls(options);
  cleanups.push(() => socket.destroy());
  socket.on("error", () => {});
  return socket;
}

async function rawConnection(port: number, session?: Buffer): Promise<TLSSocket> {
  const socket = rawSocket(port, session);
  await once(socket, "secureConnect");
  return socket;
}

test("a connection that never finishes its handshake counts as one, and is let go", async () => {
  const { server, port } = await start(own);
  const socket = connectTcp({ host: "127.0.0.1", port });
  cleanups.push(() => socket.destroy());
  await vi.waitFor(() => expect(server.connectionStats().connections).toBe(1), STATE);
  socket.destroy();
  await vi.waitFor(() => expect(server.connectionStats().connections).toBe(0), STATE);
});

test("files that change are used by the next connection, while open ones live on; files that do not fit are not used", async () => {
  const files = await certificates.issue({ ...LOCAL, name: "renewed" });
  const { server, port, failures } = await start(files);
  const open = channel(port, { caFile: certificates.caFile });
  const serves = async (): Promise<number> => (await open.unary(METHODS.initProducer, {}, IN_TIME)).producerId;
  expect(await serves()).toBe(7);
  expect(server.connectionStats().connections).toBe(1);
  const next = await certificates.stranger.issue({ ...LOCAL, name: "renewed" });
  certificates.write("renewed.pem", next.cert); // Its key does not fit yet.
  await vi.waitFor(() => expect(failures()).toBeGreaterThan(0), STATE);
  expect(await call(port, { caFile: certificates.caFile })).toBe(7);
  certificates.write("renewed.key", next.key);
  await vi.waitFor(async () => expect(await call(port, { caFile: certificates.strangerCaFile })).toBe(7), STATE);
  await expectRefused(call(port, { caFile: certificates.caFile }), "unknown-authority");
  expect(await serves()).toBe(7);
});

test("a client reads its files at each connection: a renewed certificate is used without a new client", async () => {
  const { port } = await start(own, "required");
  const files = await certificates.issue({ name: "client", notAfter: SECOND_AGO() });
  const opened = channel(port, { caFile: certificates.caFile, ...files });
  const answer = (): Promise<unknown> =>
    opened.unary(METHODS.initProducer, {}, IN_TIME).catch((error: unknown) => error);
  expect(await answer()).toMatchObject({ code: "TLS_FAILED", details: { reason: "client-certificate-refused" } });
  await certificates.issue({ name: "client" });
  await vi.waitFor(async () => expect(await answer()).toMatchObject({ producerId: 7 }), STATE);
});
