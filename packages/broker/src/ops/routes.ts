/**
 * routes.ts: what the operators' port answers to which request. Pure; node/ops-server.ts moves the bytes.
 */
import type { Liveness, Readiness } from "./readiness.js";
import type { Startup } from "./startup.js";

/** An HTML document without parts elsewhere. */
export interface OpsPage {
  readonly html: string;
  /** Allows what the document holds and nothing else. */
  readonly contentSecurityPolicy: string;
}

/** What is answered whatever the broker is doing. */
export interface ProbeSource {
  liveness(): Liveness;
  startup(): Startup;
}

/** The answer of /prestop: whether a stop costs no partition its quorum, and what it was waited for. */
export interface StopAnswer {
  readonly safe: boolean;
  readonly waitedMs: number;
  readonly waitsFor: readonly string[];
}

/** Where the answers come from; each is called once per request and must be cheap. */
export interface OpsSource extends ProbeSource {
  readonly page: OpsPage;
  /** The cluster's status, which the page shows, as JSON text. */
  status(): Promise<string>;
  readiness(): Readiness;
  /** Waits until this broker may stop, or has waited long enough. */
  stopGate(): Promise<StopAnswer>;
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
/** Longer than a busy broker takes to gather what a status or its metrics need. */
const ANSWER_MS = 10_000;
const PROBES = ["/livez", "/startupz", "/readyz", "/prestop"] as const;
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
  const isAllowed = method === "GET" || method === "HEAD";
  if (isAllowed && !PATHS[scope].includes(pathOf(target)))
    return json(404, { error: "not found", paths: PATHS[scope] });
  const probe = probeResponse(method, target, source);
  if (probe !== null) return probe;
  try {
    return await get(pathOf(target), source);
  } catch (error) {
    return json(500, { error: error instanceof Error ? error.message : String(error) });
  }
}

/** The response to a request that needs no broker: probes of the process, and what is no request at all. null: it is for the broker. */
export function probeResponse(method: string, target: string, source: ProbeSource): OpsResponse | null {
  if (method !== "GET" && method !== "HEAD") return json(405, { error: `${method} is not allowed, use GET` });
  switch (pathOf(target)) {
    case "/livez": {
      const liveness = source.liveness();
      return json(liveness.live ? 200 : 503, liveness);
    }
    case "/startupz": {
      const startup = source.startup();
      return json(startup.started ? 200 : 503, startup);
    }
    default:
      return null;
  }
}

/** The response in the place of a broker that does not answer. A stop is never held up by that. */
export function silentResponse(target: string, waitedMs: number): OpsResponse {
  const why = `the broker's event loop has not answered for ${waitedMs} ms`;
  switch (pathOf(target)) {
    case "/prestop":
      return json(200, { safe: false, waitedMs, waitsFor: [why] } satisfies StopAnswer);
    case "/readyz":
      return json(503, { ready: false, reasons: [why] });
    default:
      return json(503, { error: why });
  }
}

/** How long the answer to a request may take by itself, given the longest wait of the stop gate. */
export function answerMsMax(target: string, stopGateMs: number): number {
  return pathOf(target) === "/prestop" ? stopGateMs + ANSWER_MS : ANSWER_MS;
}

function pathOf(target: string): string {
  return target.split("?", 1)[0] ?? "";
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
    case "/prestop":
      return json(200, await stopAnswer(source));
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

/** What fails inside must not hold a stop up. */
async function stopAnswer(source: OpsSource): Promise<StopAnswer> {
  try {
    return await source.stopGate();
  } catch (error) {
    return { safe: false, waitedMs: 0, waitsFor: [error instanceof Error ? error.message : String(error)] };
  }
}

function json(status: OpsResponse["status"], body: object): OpsResponse {
  return { status, contentType: JSON_TYPE, body: `${JSON.stringify(body)}\n` };
}
