/**
 * main.ts: a load as a program: in a pod, or beside the cluster for a client outside. It is steered over HTTP on 127.0.0.1 (`ask.ts`): GET /status,
 * POST /begin {name, target}, POST /end, POST /stop, GET /history. Its plan is JSON in LOAD_PLAN.
 */
import { createReadStream } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { createGzip } from "node:zlib";
import { historyOf, KubeLoad } from "./load.js";
import { parsePlan } from "./plan.js";

/** Of a request to the control server, bytes. */
const REQUEST_CHARS_MAX = 10_000;

const plan = parsePlan(process.env["LOAD_PLAN"]);
const load = await KubeLoad.start(plan);
process.on("exit", () => load.killAll());
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(1));

let stopped: ReturnType<KubeLoad["stop"]> | null = null;

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const what = `${request.method} ${request.url}`;
  if (what === "GET /history") {
    createReadStream(historyOf(plan)).pipe(createGzip()).pipe(response);
    return;
  }
  const said = (await text(request)).slice(0, REQUEST_CHARS_MAX);
  const { name, target } = JSON.parse(said === "" ? "{}" : said) as { name?: string; target?: unknown };
  if (what === "POST /begin") load.begin(name ?? "fault", target ?? null);
  else if (what === "POST /end") load.end();
  else if (what === "POST /stop") stopped ??= load.stop();
  else if (what !== "GET /status") response.statusCode = 404;
  response.end(JSON.stringify(stopped === null ? load.status() : await stopped));
}

const server = createServer((request, response) => {
  answer(request, response).catch((error: unknown) => {
    response.statusCode = 500;
    response.end(JSON.stringify({ error: String(error) }));
  });
});
// A stop takes as long as readers and groups need to come to the end.
server.requestTimeout = 0;
server.listen(plan.controlPort, "127.0.0.1");
