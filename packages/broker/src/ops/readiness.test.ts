import { describe, expect, test } from "vitest";
import { type BrokerFacts, livenessOf, readinessOf } from "./readiness.js";
import { type OpsSource, opsResponse } from "./routes.js";

const READY: BrokerFacts = {
  brokerId: 2,
  clusterId: "c-1",
  membershipWaitsFor: null,
  recovering: false,
  registered: true,
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
    { facts: { recovering: true }, says: "recovering" },
    { facts: { controller: null }, says: "no controller leader" },
    { facts: { replicasMissing: 3 }, says: "3 replicas are not running" },
    { facts: { replicasLeaderless: 2 }, says: "2 partitions here have no known leader" },
    { facts: { replicasQuarantined: ["orders/3"] }, says: "orders/3; see varve log inspect" },
    { facts: { pressure: "DISK_FULL" }, says: "free disk space" },
    { facts: { shuttingDown: true }, says: "shutting down" },
    { facts: { fatal: "EIO" }, says: "storage failed: EIO" },
  ])("it is not ready, and says why: $says", ({ facts, says }) => {
    const { ready, reasons } = readinessOf({ ...READY, ...facts });
    expect(ready).toBe(false);
    expect(reasons).toEqual([expect.stringContaining(says)]);
  });

  test("all reasons are told at once", () => {
    expect(readinessOf({ ...READY, controller: null, replicasMissing: 1, shuttingDown: true }).reasons).toHaveLength(3);
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
    metrics: () => Promise.resolve({ contentType: "text/plain", text: "up 1\n" }),
    page: { html: "<!doctype html>", contentSecurityPolicy: "default-src 'none'" },
    status: () => Promise.resolve('{"brokers":[]}'),
  });

  test.each([
    { method: "GET", target: "/livez", status: 200 },
    { method: "GET", target: "/readyz", status: 200 },
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
    { scope: "probes", served: ["/livez", "/readyz"] },
    { scope: "pages", served: ["/", "/status.json", "/metrics"] },
  ] as const)("a port for $scope serves $served and says so of other paths", async ({ scope, served }) => {
    for (const path of ["/livez", "/readyz", "/", "/status.json", "/metrics"]) {
      const { status, body } = await opsResponse("GET", path, source(), scope);
      expect(status).toBe((served as readonly string[]).includes(path) ? 200 : 404);
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
    const unready = source({ recovering: true });
    const { status, body } = await opsResponse("GET", "/readyz", unready);
    expect(status).toBe(503);
    expect(JSON.parse(body)).toMatchObject({ ready: false, reasons: [expect.stringContaining("recovering")] });
    expect((await opsResponse("GET", "/livez", unready)).status).toBe(200);
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
