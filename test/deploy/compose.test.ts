import { readFileSync } from "node:fs";
import { loadConfigFile } from "@varve/broker/node";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { boundedBytes } from "./chart.js";
import { DEPLOY } from "./tools.js";

interface Service {
  readonly image: string;
  readonly user: string;
  readonly read_only: boolean;
  readonly cap_drop: readonly string[];
  readonly mem_limit: string;
  readonly stop_grace_period: string;
  readonly ports: readonly string[];
  readonly volumes: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}
const compose = parse(readFileSync(`${DEPLOY}compose.yaml`, "utf8"), { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
};
const services = Object.entries(compose.services);
const configs = services.map(([, { environment }]) => loadConfigFile(null, environment));

describe("compose.yaml", () => {
  test("has three brokers with settings that they take, of one cluster", () => {
    expect(configs.map(({ brokerId }) => brokerId)).toEqual([1, 2, 3]);
    const peers = configs.map(({ advertised }) => advertised.peerAddress);
    expect(peers).toEqual(services.map(([name]) => `${name}:7651`));
    for (const { cluster } of configs) expect(cluster.seeds).toEqual(peers);
  });

  test("tells clients on this machine addresses that lead to the brokers", () => {
    const published = services.map(([, { ports }]) =>
      ports.map((port) => {
        const [host, outside, inside] = port.split(":");
        return { address: `${host}:${outside}`, inside: Number(inside) };
      }),
    );
    configs.forEach(({ advertised, listen }, n) => {
      expect(published[n]).toEqual([
        { address: advertised.grpcAddress, inside: listen.grpcPort },
        { address: advertised.opsAddress, inside: listen.opsPort },
      ]);
    });
    const addresses = published.flat().map(({ address }) => address);
    expect(new Set(addresses).size).toBe(addresses.length);
    for (const address of addresses) expect(address).toMatch(/^127\.0\.0\.1:/);
  });

  test("restricts every broker, and gives it a volume of its own and time to stop", () => {
    for (const [, service] of services) {
      expect(service).toMatchObject({ user: "10001:10001", read_only: true, cap_drop: ["ALL"], mem_limit: "1g" });
      expect(service.image).not.toMatch(/:latest|^[^:]*$/);
      expect(Number.parseInt(service.stop_grace_period, 10) * 1000).toBeGreaterThan(
        Number(service.environment["VARVE_SHUTDOWN_GRACE_MS"]),
      );
    }
    configs.forEach((config, n) => {
      const heapMiB = Number(services[n]?.[1].environment["NODE_OPTIONS"]?.split("=")[1]);
      expect(heapMiB + 64 + boundedBytes(config) / 2 ** 20).toBeLessThanOrEqual(1024);
    });
    const volumes = services.map(([, service]) => service.volumes.join());
    expect(volumes).toEqual(Object.keys(compose.volumes).map((name) => `${name}:/var/lib/varve`));
  });
});
