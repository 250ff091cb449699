import { Worker } from "node:worker_threads";
import { silentLogger } from "@varve/base";
import { afterEach, describe, expect, test } from "vitest";
import { type Liveness, livenessOf, NOT_STARTED, type OpsSource, type Startup } from "../ops/index.js";
import type { HttpFront } from "./http-front.js";
import { startOpsThread } from "./ops-thread.js";

/** The thread as it is built: Node.js does not run TypeScript in one. */
const PROGRAM = new URL("../../dist/node/ops-worker.js", import.meta.url);
const WITHIN_MS = 20_000;

const known = { liveness: livenessOf({ fatal: null }) as Liveness, startup: NOT_STARTED as Startup };
const source: OpsSource = {
  liveness: () => known.liveness,
  startup: () => known.startup,
  readiness: () => ({
    ready: true,
    reasons: [],
    brokerId: 1,
    clusterId: null,
    controller: null,
    replicaCount: 0,
  }),
  stopGate: () => Promise.resolve({ safe: true, waitedMs: 1, waitsFor: [] }),
  metrics: () => Promise.resolve({ contentType: "text/plain", text: "up 1\n" }),
  status: () => Promise.resolve("{}"),
  page: { html: "<!doctype html>", contentSecurityPolicy: "default-src 'none'" },
};

const open: HttpFront[] = [];
afterEach(async () => {
  known.liveness = livenessOf({ fatal: null });
  known.startup = NOT_STARTED;
  await Promise.all(open.splice(0).map((server) => server.close()));
});

async function start(hungLoopMs = 600_000, port = 0): Promise<string> {
  const options = {
    address: "127.0.0.1",
    port,
    source,
    scope: "all" as const,
    hungLoopMs,
    stopGateMs: 0,
    logger: silentLogger,
  };
  const server = await startOpsThread({ ...options, program: PROGRAM });
  open.push(server);
  return `http://127.0.0.1:${server.port}`;
}

async function until(what: string, url: string, isGood: (status: number, body: string) => boolean): Promise<void> {
  const deadlineMs = performance.now() + WITHIN_MS;
  for (let last = ""; ; ) {
    const answer = await fetch(url);
    last = `${answer.status} ${await answer.text()}`;
    if (isGood(answer.status, last)) return;
    if (performance.now() > deadlineMs) throw new Error(`${what}: still ${last}`);
  }
}

/** A thread that asks `url` for its status again and again until it is `wanted`: counts of 200 and of others, and a bell at the end. */
function asker(url: string, wanted: number): { worker: Worker; seen: Int32Array } {
  const seen = new Int32Array(new SharedArrayBuffer(12));
  const program = `
    const { url, wanted, seen } = require("node:worker_threads").workerData;
    (async () => {
      for (let status = 0; status !== wanted; ) {
        status = (await fetch(url)).status;
        Atomics.add(seen, status === 200 ? 0 : 1, 1);
      }
      Atomics.store(seen, 2, 1);
      Atomics.notify(seen, 2);
    })();`;
  return { worker: new Worker(program, { eval: true, workerData: { url, wanted, seen } }), seen };
}

describe("the thread of the operators' port", () => {
  test("answers what only the broker knows with what the broker says", async () => {
    const url = await start();
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    expect(await (await fetch(`${url}/metrics`)).text()).toBe("up 1\n");
    expect(await (await fetch(`${url}/prestop`)).json()).toEqual({ safe: true, waitedMs: 1, waitsFor: [] });
    expect((await fetch(`${url}/nothing`)).status).toBe(404);
    expect((await fetch(url)).headers.get("content-security-policy")).toBe("default-src 'none'");
  });

  test("hears soon of a fatal state and of a start's progress", async () => {
    const url = await start();
    expect((await fetch(`${url}/startupz`)).status).toBe(503);
    known.startup = { ...NOT_STARTED, logs: 5, logsRecovered: 2 };
    await until("progress", `${url}/startupz`, (_, body) => body.includes('"logsRecovered":2'));
    known.startup = { ...known.startup, started: true, phase: "started" };
    await until("started", `${url}/startupz`, (status) => status === 200);
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    known.liveness = livenessOf({ fatal: "EIO" });
    await until("fatal", `${url}/livez`, (status, body) => status === 503 && body.includes("EIO"));
  });

  test("answers while the event loop is busy, says after the bound that it hangs, and that it is well again", async () => {
    const url = await start(1_000);
    const { worker, seen } = asker(`${url}/livez`, 503);
    // This loop stands from here until the other thread has been told so.
    const ended = Atomics.wait(seen, 2, 0, WITHIN_MS);
    await worker.terminate();
    expect([ended, Atomics.load(seen, 1)]).toEqual(["ok", 1]);
    expect(Atomics.load(seen, 0)).toBeGreaterThan(0);
    await until("well again", `${url}/livez`, (status) => status === 200);
  });

  test("a taken port is a typed error that names the address and the setting", async () => {
    const port = Number(new URL(await start()).port);
    await expect(start(1_000, port)).rejects.toMatchObject({
      code: "ADDRESS_UNUSABLE",
      message: expect.stringContaining("EADDRINUSE"),
      details: { address: `127.0.0.1:${port}` },
    });
  });

  test("closing frees the port", async () => {
    const url = await start();
    await open.pop()?.close();
    await expect(fetch(`${url}/livez`)).rejects.toThrow();
    await start(1_000, Number(new URL(url).port));
  });
});
