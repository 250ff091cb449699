/** security.test.ts: what a broker says of its listeners' security at each start, and when it does not start. */
import type { Logger } from "@varve/base";
import { expect, test } from "vitest";
import { parseConfig } from "../config/index.js";
import { createMetrics } from "../ops/index.js";
import { openSecurity } from "./security.js";

const metrics = () => createMetrics({ version: "0", nodeVersion: "v20" });

async function warningsOf(settings: object): Promise<string[]> {
  const warnings: string[] = [];
  const logger = {
    debug: () => {},
    info: () => {},
    warn: (_: object, text: string) => warnings.push(text),
    error: () => {},
  } as unknown as Logger;
  const config = parseConfig({ brokerId: 1, cluster: { seeds: ["h:1"] }, ...settings });
  const security = await openSecurity(config, metrics(), logger);
  security.close();
  return warnings;
}

test("plain text that others reach is warned of at each start; on a loopback address it is not", async () => {
  const exposed = { listen: { address: "10.0.0.1", insecure: true } };
  const warning = expect.stringMatching(/clients and peers on 10\.0\.0\.1 are neither encrypted nor authenticated/);
  expect(await warningsOf(exposed)).toEqual([warning]);
  expect(await warningsOf(exposed)).toEqual([warning]);
  expect(await warningsOf({})).toEqual([]);
  expect(await warningsOf({ listen: { insecure: true } })).toEqual([]);
});

test("files that cannot be used end the start; nothing falls back to plain text", async () => {
  const tls = { certFile: "/does/not/exist.crt", keyFile: "/does/not/exist.key" };
  await expect(warningsOf({ tls })).rejects.toMatchObject({ code: "INVALID_CONFIG" });
  await expect(warningsOf({ peerTls: { ...tls, caFile: "/does/not/exist.ca" } })).rejects.toMatchObject({
    code: "INVALID_CONFIG",
    message: expect.stringContaining("/does/not/exist"),
  });
});
