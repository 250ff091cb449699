/**
 * routes.ts: what the operators' port answers to which request. Pure; node/ops-server.ts moves the bytes.
 */
import type { Liveness, Readiness } from "./readiness.js";

/** An HTML document without parts elsewhere. */
export interface OpsPage {
  readonly html: string;
  /** Allows what the document holds and nothing else. */
  readonly contentSecurityPolicy: string;
}

/** Where the answers come from; each is called once per request and must be cheap. */
export interface OpsSource {
  readonly page: OpsPage;
  /** The cluster's status, which the page shows, as JSON text. */
  status(): Promise<string>;
  liveness(): Liveness;
  readiness(): Readiness;
  /** Media type and text of all metrics. */
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>;
}

/** What a port answers to: everything, only the probes, or only metrics and the status page. */
export type OpsScope = "all" | "probes" | "pages";

export interface OpsResponse {
  readonly status: 200 | 404 | 405 | 500 | 503;
  readonly contentType: string;
  readonly body: string;
  /** Beside those that every answer has. */
  readonly headers?: Readonly<Record<string, string>>;
}

const JSON_TYPE = "application/json; charset=utf-8";
const PROBES = ["/livez", "/readyz"] as const;
const PAGES = ["/", "/status.json", "/metrics"] as const;
const PATHS: Readonly<Record<OpsScope, readonly string[]>> = {
  all: [...PROBES, ...PAGES],
  probes: PROBES,
  pages: PAGES,
};

/** The response to one request. Never rejects: what fails inside is a 500 with its message. */
export async function opsResponse(
  method: string,
  target: string,
  source: OpsSource,
  scope: OpsScope = "all",
): Promise<OpsResponse> {
  const path = target.split("?", 1)[0] ?? "";
  if (method !== "GET" && method !== "HEAD") return json(405, { error: `${method} is not allowed, use GET` });
  if (!PATHS[scope].includes(path)) return json(404, { error: "not found", paths: PATHS[scope] });
  try {
    return await get(path, source);
  } catch (error) {
    return json(500, { error: error instanceof Error ? error.message : String(error) });
  }
}

async function get(path: string, source: OpsSource): Promise<OpsResponse> {
  switch (path) {
    case "/":
      return {
        status: 200,
        contentType: "text/html; charset=utf-8",
        body: source.page.html,
        headers: { "content-security-policy": source.page.contentSecurityPolicy },
      };
    case "/status.json":
      return { status: 200, contentType: JSON_TYPE, body: `${await source.status()}\n` };
    case "/livez": {
      const liveness = source.liveness();
      return json(liveness.live ? 200 : 503, liveness);
    }
    case "/readyz": {
      const readiness = source.readiness();
      return json(readiness.ready ? 200 : 503, readiness);
    }
    case "/metrics": {
      const { contentType, text } = await source.metrics();
      return { status: 200, contentType, body: text };
    }
    default:
      return json(404, { error: "not found" });
  }
}

function json(status: OpsResponse["status"], body: object): OpsResponse {
  return { status, contentType: JSON_TYPE, body: `${JSON.stringify(body)}\n` };
}
