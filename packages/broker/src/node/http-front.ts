/**
 * http-front.ts: an HTTP server for operators around a function from a request's method and target to its answer.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { SECOND_MS, VarveError } from "@varve/base";
import type { OpsResponse } from "../ops/index.js";

export interface HttpFrontOptions {
  readonly address: string;
  /** 0: any free one. */
  readonly port: number;
  /** Never rejects. */
  readonly answer: (method: string, target: string) => Promise<OpsResponse>;
}

export interface HttpFront {
  /** The port that it listens on. */
  readonly port: number;
  /** Stops listening and ends all connections. */
  close(): Promise<void>;
}

/** Connections at once; further ones are dropped. */
const CONNECTIONS_MAX = 64;
/** Time for a client to send its request, and for an idle connection to live. */
const REQUEST_TIMEOUT_MS = 5 * SECOND_MS;

/**
 * Resolves when the port accepts connections.
 * @throws VarveError ADDRESS_UNUSABLE when the address is taken or is not this machine's.
 */
export async function startHttpFront({ address, port, answer }: HttpFrontOptions): Promise<HttpFront> {
  const server = createServer((request, response) => void respond(request, response, answer));
  server.maxConnections = CONNECTIONS_MAX;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.headersTimeout = REQUEST_TIMEOUT_MS;
  server.keepAliveTimeout = REQUEST_TIMEOUT_MS;
  await listen(server, address, port);
  const { port: bound } = server.address() as AddressInfo;
  return { port: bound, close: () => close(server) };
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  answer: HttpFrontOptions["answer"],
): Promise<void> {
  request.resume();
  const { status, contentType, body, headers } = await answer(request.method ?? "GET", request.url ?? "/");
  const bytes = Buffer.from(body);
  response.writeHead(status, {
    "content-type": contentType,
    "content-length": bytes.length,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    ...headers,
    ...(status === 405 ? { allow: "GET, HEAD" } : {}),
  });
  response.end(request.method === "HEAD" ? undefined : bytes);
}

function listen(server: Server, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.on("error", (cause) => reject(portUnusable(`${address}:${port}`, cause.message, cause)));
    server.listen({ host: address, port }, resolve);
  });
}

/** The error of a port that cannot be listened on. */
export function portUnusable(address: string, why: string, cause?: Error): VarveError {
  return new VarveError("ADDRESS_UNUSABLE", {
    message: `the operators' port cannot listen on ${address}: ${why}; free it or set listen.opsPort`,
    details: { address },
    ...(cause === undefined ? {} : { cause }),
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
