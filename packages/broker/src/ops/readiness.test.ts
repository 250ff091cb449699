import { describe, expect, test } from "vitest";
import { type BrokerFacts, livenessOf, readinessOf } from "./readiness.js";
import { answerMsMax, type OpsSource, opsResponse, probeResponse, silentResponse } from "./routes.js";
import { NOT_STARTED } from "./startup.js";

const READY: BrokerFacts = {
  brokerId: 2,
  clusterId: "c-1",
  membershipWaitsFor: null,
  recovering: null,
  registered: true,
  caughtUp: true,
  replicasBehind: 0,
  controller: 1,
  replicaCount: 6,
  replicasMissing: 0,
  replicasLeaderless: 0,
  replicasQuarantined: [],
  pressure: null,
  decommissioned: false,
  shuttingDown: false,
  fatal: null,
};

describe("readiness", () => {
  test("a broker without a reason against it is ready", () => {
    expect(readinessOf(READY)).toEqual({
      ready: true,
      reasons: [],
      brokerId: 2,
      clusterId: "c-1",
      controller: 1,
      replicaCount: 6,
    });
  });

  test.each<{ facts: Partial<BrokerFacts>; says: string }>([
    { facts: { clusterId: null, membershipWaitsFor: "seed h:2" }, says: "not a member of a cluster: seed h:2" },
    { facts: { registered: false }, says: "not registered" },
    { facts: { recovering: { logs: 0, logsRecovered: 0 } }, says: "recovering from the data folder" },
    { facts: { recovering: { logs: 340, logsRecovered: 12 } }, says: "data folder: 12 of 340 logs" },
    { facts: { caughtUp: false, controller: null }, says: "no controller leader" },
    { facts: { caughtUp: false, replicasMissing: 3 }, says: "3 replicas are not running" },
    { facts: { caughtUp: false, replicasLeaderless: 2 }, says: "2 partitions here have no known leader" },
    { facts: { caughtUp: false, replicasBehind: 4 }, says: "4 replicas here have not caught up" },
    { facts: { caughtUp: false, replicasBehind: null }, says: "has not asked yet" },
    { facts: { replicasQuarantined: ["orders/3"] }, says: "orders/3; see varve log inspect" },
    { facts: { pressure: "DISK_FULL" }, says: "free disk space" },
    { facts: { shuttingDown: true }, says: "shutting down" },
    { facts: { fatal: "EIO" }, says: "it cannot go on: EIO" },
  ])("it is not ready, and says why: $says", ({ facts, says }) => {
    const { ready, reasons } = readinessOf({ ...READY, ...facts });
    expect(ready).toBe(false);
    expect(reasons).toEqual([expect.stringContaining(says)]);
  });

  test("all reasons are told at once", () => {
    expect(
      readinessOf({ ...READY, caughtUp: false, controller: null, replicasMissing: 1, shuttingDown: true }).reasons,
    ).toHaveLength(3);
  });

  test.each<Partial<BrokerFacts>>([
    { controller: null },
    { replicasLeaderless: 6 },
    { replicasMissing: 1 },
    { replicasBehind: 6 },
  ])("once it has caught up, the trouble of its peers makes it no less ready (R2): %j", (facts) => {
    expect(readinessOf({ ...READY, ...facts }).ready).toBe(true);
  });

  test("overload passes by itself and sends no traffic elsewhere", () => {
    expect(readinessOf({ ...READY, pressure: "BROKER_OVERLOADED" }).ready).toBe(true);
  });

  test("of many quarantined replicas ten are named and the rest is counted", () => {
    const replicasQuarantined = Array.from({ length: 500 }, (_, at) => `t/${at}`);
    const [reason] = readinessOf({ ...READY, replicasQuarantined }).reasons;
    expect(reason).toContain("500 replicas");
    expect(reason).toContain("and 490 more");
  });

  test("only a failed disk ends a life", () => {
    expect(livenessOf({ fatal: null }).live).toBe(true);
    expect(livenessOf({ fatal: "EIO" })).toEqual({ live: false, reasons: ["EIO"] });
  });
});

describe("the operators' port answers", () => {
  const source = (facts: Partial<BrokerFacts> = {}): OpsSource => ({
    liveness: () => livenessOf({ ...READY, ...facts }),
    readiness: () => readinessOf({ ...READY, ...facts }),
    startup: () => NOT_STARTED,
    stopGate: () => Promise.resolve({ safe: true, waitedMs: 7, waitsFor: [] }),
    metrics: () => Promise.resolve({ contentType: "text/plain", text: "up 1\n" }),
    page: { html: "<!doctype html>", contentSecurityPolicy: "default-src 'none'" },
    status: () => Promise.resolve('{"brokers":[]}'),
  });

  test.each([
    { method: "GET", target: "/livez", status: 200 },
    { method: "GET", target: "/readyz", status: 200 },
    { method: "GET", target: "/startupz", status: 503 },
    { method: "GET", target: "/prestop", status: 200 },
    { method: "POST", target: "/prestop", status: 405 },
    { method: "GET", target: "/readyz?verbose", status: 200 },
    { method: "HEAD", target: "/metrics", status: 200 },
    { method: "GET", target: "/", status: 200 },
    { method: "GET", target: "/?since=1", status: 200 },
    { method: "GET", target: "/status.json", status: 200 },
    { method: "GET", target: "/index.html", status: 404 },
    { method: "POST", target: "/", status: 405 },
    { method: "GET", target: "/metrics/../livez", status: 404 },
    { method: "POST", target: "/readyz", status: 405 },
  ])("$method $target with $status", async ({ method, target, status }) => {
    expect((await opsResponse(method, target, source())).status).toBe(status);
  });

  test.each([
    { scope: "probes", served: ["/livez", "/startupz", "/readyz", "/prestop"] },
    { scope: "pages", served: ["/", "/status.json", "/metrics"] },
  ] as const)("a port for $scope serves $served and says so of other paths", async ({ scope, served }) => {
    for (const path of ["/livez", "/startupz", "/readyz", "/prestop", "/", "/status.json", "/metrics"]) {
      const { status, body } = await opsResponse("GET", path, source(), scope);
      expect(status === 404, path).toBe(!(served as readonly string[]).includes(path));
      if (status === 404) expect(JSON.parse(body)).toMatchObject({ paths: served });
    }
  });

  test("the page goes out with the policy that it runs under", async () => {
    expect(await opsResponse("GET", "/", source())).toEqual({
      status: 200,
      contentType: "text/html; charset=utf-8",
      body: "<!doctype html>",
      headers: { "content-security-policy": "default-src 'none'" },
    });
    expect((await opsResponse("GET", "/readyz", source())).headers).toBeUndefined();
  });

  test("503 with the reasons while the broker is not ready, and stays alive", async () => {
    const unready = source({ recovering: NOT_STARTED });
    const { status, body } = await opsResponse("GET", "/readyz", unready);
    expect(status).toBe(503);
    expect(JSON.parse(body)).toMatchObject({ ready: false, reasons: [expect.stringContaining("recovering")] });
    expect((await opsResponse("GET", "/livez", unready)).status).toBe(200);
  });

  test("a start by how far it has come", async () => {
    const recovering = { ...NOT_STARTED, logs: 10, logsRecovered: 3, bytesRead: 4_096 };
    const starting = await opsResponse("GET", "/startupz", { ...source(), startup: () => recovering });
    expect([starting.status, JSON.parse(starting.body)]).toEqual([503, recovering]);
    const started = { ...recovering, started: true, phase: "started", logsRecovered: 10 } as const;
    expect((await opsResponse("GET", "/startupz", { ...source(), startup: () => started })).status).toBe(200);
  });

  test("a stop with 200, whatever it finds and even when it fails inside", async () => {
    const waited = await opsResponse("GET", "/prestop", source());
    expect([waited.status, JSON.parse(waited.body)]).toEqual([200, { safe: true, waitedMs: 7, waitsFor: [] }]);
    const failing = { ...source(), stopGate: () => Promise.reject(new Error("no links")) };
    const failed = await opsResponse("GET", "/prestop", failing);
    expect([failed.status, JSON.parse(failed.body)]).toEqual([
      200,
      { safe: false, waitedMs: 0, waitsFor: ["no links"] },
    ]);
  });

  test("only the probes of the process, and nonsense, without the broker", () => {
    expect(probeResponse("GET", "/livez", source())?.status).toBe(200);
    expect(probeResponse("GET", "/startupz", source())?.status).toBe(503);
    expect(probeResponse("DELETE", "/readyz", source())?.status).toBe(405);
    for (const path of ["/", "/readyz", "/prestop", "/metrics", "/nothing"])
      expect(probeResponse("GET", path, source())).toBeNull();
  });

  test("in the place of a broker that does not: a stop goes on, all else fails", () => {
    expect(silentResponse("/prestop", 10_000)).toMatchObject({ status: 200 });
    expect(JSON.parse(silentResponse("/readyz?x", 10_000).body)).toMatchObject({
      ready: false,
      reasons: [expect.any(String)],
    });
    expect(silentResponse("/metrics", 10_000)).toMatchObject({ status: 503 });
    expect([answerMsMax("/readyz", 300_000), answerMsMax("/prestop", 300_000)]).toEqual([10_000, 310_000]);
  });

  test("what fails inside is a 500 with its message", async () => {
    const failing: OpsSource = { ...source(), metrics: () => Promise.reject(new Error("no registry")) };
    expect(await opsResponse("GET", "/metrics", failing)).toMatchObject({
      status: 500,
      body: expect.stringContaining("no registry"),
    });
    const untold: OpsSource = { ...source(), status: () => Promise.reject(new Error("no reports")) };
    expect(await opsResponse("GET", "/status.json", untold)).toMatchObject({
      status: 500,
      contentType: expect.stringContaining("json"),
    });
  });
});
