import { createHash } from "node:crypto";
import { connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { createMetrics, livenessOf, NOT_STARTED } from "../ops/index.js";
import { type OpsServer, type OpsServerOptions, startOpsServer } from "./ops-server.js";
import { watchProcess } from "./process-metrics.js";

const metrics = createMetrics({ version: "0.1.0", nodeVersion: process.version });
let ready = true;
const source: OpsServerOptions["source"] = {
  liveness: () => livenessOf({ fatal: null }),
  readiness: () => ({
    ready,
    reasons: ready ? [] : ["starting"],
    brokerId: 1,
    clusterId: null,
    controller: null,
    replicaCount: 0,
  }),
  startup: () => NOT_STARTED,
  stopGate: () => Promise.resolve({ safe: true, waitedMs: 0, waitsFor: [] }),
  metrics: async () => ({ contentType: metrics.contentType, text: await metrics.text() }),
  status: () => Promise.resolve('{"brokers":[]}'),
};

const open: OpsServer[] = [];
async function start(port = 0): Promise<OpsServer> {
  const server = await startOpsServer({ address: "127.0.0.1", port, source });
  open.push(server);
  return server;
}
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

describe("the operators' server", () => {
  test("serves probes and metrics over HTTP", async () => {
    const { port } = await start();
    const live = await fetch(`http://127.0.0.1:${port}/livez`);
    expect([live.status, await live.json()]).toEqual([200, { live: true, reasons: [] }]);
    ready = false;
    const notReady = await fetch(`http://127.0.0.1:${port}/readyz`);
    expect([notReady.status, await notReady.json()]).toEqual([
      503,
      expect.objectContaining({ ready: false, reasons: ["starting"] }),
    ]);
    ready = true;
    const scraped = await fetch(`http://127.0.0.1:${port}/metrics`);
    expect(scraped.headers.get("content-type")).toContain("text/plain");
    expect(await scraped.text()).toContain("varve_build_info{");
  });

  test("the page's policy names exactly the script and the style that are in it", async () => {
    const { port } = await start();
    const answer = await fetch(`http://127.0.0.1:${port}/`);
    const html = await answer.text();
    const policy = answer.headers.get("content-security-policy") ?? "";
    const within = (tag: string): string => new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`).exec(html)?.[1] ?? "";
    const sha256 = (text: string): string => createHash("sha256").update(text).digest("base64");
    expect(within("script").length).toBeGreaterThan(1_000);
    expect(policy).toContain(`script-src 'sha256-${sha256(within("script"))}';`);
    expect(policy).toContain(`style-src 'sha256-${sha256(within("style"))}';`);
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
    expect(answer.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
    expect(await (await fetch(`http://127.0.0.1:${port}/status.json`)).json()).toEqual({ brokers: [] });
  });

  test("a taken port is a typed error that names the address and the setting", async () => {
    const { port } = await start();
    await expect(startOpsServer({ address: "127.0.0.1", port, source })).rejects.toMatchObject({
      code: "ADDRESS_UNUSABLE",
      message: expect.stringContaining("listen.opsPort"),
      details: { address: `127.0.0.1:${port}` },
    });
  });

  test("closing ends idle connections too, at once", async () => {
    const { port, close } = await start();
    const socket = connect(port, "127.0.0.1");
    await new Promise((resolve) => socket.once("connect", resolve));
    const ended = new Promise((resolve) => socket.once("close", resolve));
    socket.on("error", () => {});
    await close();
    await ended;
    await expect(fetch(`http://127.0.0.1:${port}/livez`)).rejects.toThrow();
  });

  test("nonsense instead of HTTP harms nobody", async () => {
    const { port } = await start();
    const socket = connect(port, "127.0.0.1");
    const ended = new Promise((resolve) => socket.once("close", resolve));
    socket.on("error", () => {});
    socket.end("\u0000\u0001\u0002 nonsense\r\n\r\n");
    socket.resume();
    await ended;
    expect((await fetch(`http://127.0.0.1:${port}/livez`)).status).toBe(200);
  });
});

test("this process shows its memory, CPU, start and the delay of its event loop", async () => {
  const own = createMetrics({ version: "0.1.0", nodeVersion: process.version });
  const watched = watchProcess(own);
  try {
    const value = async (series: string): Promise<number> => {
      const line = (await own.text()).split("\n").find((text) => text.startsWith(`${series} `));
      return Number(line?.slice(series.length + 1));
    };
    expect(await value("process_resident_memory_bytes")).toBeGreaterThan(10e6);
    expect(await value("process_cpu_seconds_total")).toBeGreaterThan(0);
    expect(Math.abs((await value("process_start_time_seconds")) - Date.now() / 1_000)).toBeLessThan(3_600);
    // A blocked loop must show: block it for 150 ms, let it sample, and look at the longest delay.
    const deadlineMs = performance.now() + 10_000;
    let longestSeconds = 0;
    while (longestSeconds < 0.1 && performance.now() < deadlineMs) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      const untilMs = performance.now() + 150;
      while (performance.now() < untilMs);
      await new Promise((resolve) => setTimeout(resolve, 20));
      longestSeconds = await value('varve_event_loop_delay_seconds{quantile="1"}');
    }
    expect(longestSeconds).toBeGreaterThan(0.1);
  } finally {
    watched.close();
  }
});
