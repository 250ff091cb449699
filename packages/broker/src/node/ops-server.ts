/**
 * ops-server.ts: the operators' port: plain HTTP around opsResponse.
 *
 * It shares the event loop with the broker on purpose: a broker whose loop hangs must fail its probes.
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { SECOND_MS, VarveError } from "@varve/base";
import { type OpsScope, type OpsSource, opsResponse } from "../ops/index.js";
import { statusPage } from "../status-page/page.js";

export interface OpsServerOptions {
  readonly address: string;
  /** 0: any free one. */
  readonly port: number;
  readonly source: Omit<OpsSource, "page">;
  /** Default: all. */
  readonly scope?: OpsScope;
}

export interface OpsServer {
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
export async function startOpsServer({ address, port, source, scope = "all" }: OpsServerOptions): Promise<OpsServer> {
  const withPage = { ...source, page: statusPage(sha256) };
  const server = createServer((request, response) => void answer(request, response, withPage, scope));
  server.maxConnections = CONNECTIONS_MAX;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.headersTimeout = REQUEST_TIMEOUT_MS;
  server.keepAliveTimeout = REQUEST_TIMEOUT_MS;
  await listen(server, address, port);
  const { port: bound } = server.address() as AddressInfo;
  return { port: bound, close: () => close(server) };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  source: OpsSource,
  scope: OpsScope,
): Promise<void> {
  request.resume();
  const { status, contentType, body, headers } = await opsResponse(
    request.method ?? "GET",
    request.url ?? "/",
    source,
    scope,
  );
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

/** In base64, as content security policies name scripts. */
function sha256(text: string): string {
  return createHash("sha256").update(text).digest("base64");
}

function listen(server: Server, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.on("error", (cause) => {
      reject(
        new VarveError("ADDRESS_UNUSABLE", {
          message: `the operators' port cannot listen on ${address}:${port}: ${cause.message}; free it or set listen.opsPort`,
          details: { address: `${address}:${port}` },
          cause,
        }),
      );
    });
    server.listen({ host: address, port }, resolve);
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
