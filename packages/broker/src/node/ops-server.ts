/**
 * ops-server.ts: the operators' port: plain HTTP around opsResponse.
 *
 * A broker that has its process for itself answers from a thread (ops-thread.ts), so that its probes do not wait for a busy event loop; brokers
 * that share one answer from there.
 */
import { createHash } from "node:crypto";
import { type OpsScope, type OpsSource, opsResponse } from "../ops/index.js";
import { statusPage } from "../status-page/page.js";
import { type HttpFront, startHttpFront } from "./http-front.js";
import { type OpsThreadOptions, startOpsThread } from "./ops-thread.js";

/** What a thread needs besides. */
export type OpsThread = Omit<OpsThreadOptions, "address" | "port" | "source" | "scope">;

export interface OpsServerOptions {
  readonly address: string;
  /** 0: any free one. */
  readonly port: number;
  readonly source: Omit<OpsSource, "page">;
  /** Default: all. */
  readonly scope?: OpsScope;
  /** How to answer from a thread; absent: from this event loop. */
  readonly thread?: OpsThread;
}

/** The server, while it listens. */
export type OpsServer = HttpFront;

/**
 * Resolves when the port accepts connections.
 * @throws VarveError ADDRESS_UNUSABLE when the address is taken or is not this machine's.
 */
export async function startOpsServer(options: OpsServerOptions): Promise<OpsServer> {
  const { address, port, thread, scope = "all" } = options;
  const source = { ...options.source, page: statusPage(sha256) };
  if (thread !== undefined) return startOpsThread({ address, port, source, scope, ...thread });
  return startHttpFront({ address, port, answer: (method, target) => opsResponse(method, target, source, scope) });
}

/** In base64, as content security policies name scripts. */
function sha256(text: string): string {
  return createHash("sha256").update(text).digest("base64");
}
