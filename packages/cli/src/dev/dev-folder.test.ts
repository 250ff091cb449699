import { spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfigFile } from "@varve/broker/node";
import { afterEach, beforeEach, expect, test } from "vitest";
import { brokerEnvironment, configText } from "../brokers/config-file.js";
import { basePortMax, bootstrapOf, placeBrokers, portOf, portsFrom } from "../brokers/layout.js";
import { describeDev, readDevFile, removeDevFile, writeDevFile } from "./dev-file.js";
import { lockDevFolder } from "./dev-lock.js";
import { devCertificates } from "./dev-tls.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "varve-dev-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const places = placeBrokers("/data", portsFrom(7650, 3));

test("placeBrokers: broker i is on port + 10 (i - 1), its peers on + 1, operators on + 2", () => {
  expect(places.map(({ grpc, peer, ops }) => [grpc, peer, ops].map(portOf))).toEqual([
    [7650, 7651, 7652],
    [7660, 7661, 7662],
    [7670, 7671, 7672],
  ]);
  expect(places[1]).toMatchObject({ id: 2, dataDir: "/data/broker-2", logFile: "/data/broker-2.log" });
  expect(bootstrapOf(places)).toBe("127.0.0.1:7650,127.0.0.1:7660,127.0.0.1:7670");
});

test("basePortMax: the last broker's last port is still a port", () => {
  for (const count of [1, 3, 15]) expect(portsFrom(basePortMax(count), count).at(-1)?.ops).toBe(65_535);
});

test("configText: the broker's own parser accepts it and finds the broker's place in it", () => {
  const hosts = places.map((place) => {
    const file = join(folder, "broker.yaml");
    writeFileSync(file, configText(place, places));
    const config = loadConfigFile(file, {});
    expect(config).toMatchObject({
      brokerId: place.id,
      dataDir: place.dataDir,
      cluster: { seeds: ["127.0.0.1:7651", "127.0.0.1:7661", "127.0.0.1:7671"] },
      listen: { grpcPort: portOf(place.grpc), peerPort: portOf(place.peer), opsPort: portOf(place.ops) },
    });
    return config.host;
  });
  expect(new Set(hosts).size).toBe(3);
});

test("devCertificates: brokers can be configured with them; they are kept, and follow the cluster that the data belongs to", async () => {
  const [place] = placeBrokers(folder, portsFrom(7650, 1));
  if (place === undefined) throw new Error("one place was asked for");
  const clusterOf = (): string => new X509Certificate(readFileSync(files.peerCertFile)).subjectAltName ?? "";
  const files = await devCertificates(folder, [place.dataDir]);
  writeFileSync(place.configFile, configText(place, [place], files));
  const { caFile: _, certFile, keyFile, peerCaFile, peerCertFile, peerKeyFile } = files;
  expect(loadConfigFile(place.configFile, {})).toMatchObject({
    tls: { certFile, keyFile, clientAuth: "none" },
    peerTls: { certFile: peerCertFile, keyFile: peerKeyFile, caFile: peerCaFile },
  });
  const [made, cluster] = [readFileSync(files.certFile, "utf8"), clusterOf()];
  expect(cluster).toMatch(/^URI:varve:\/\/cluster\/[0-9a-f-]{36}$/);
  await devCertificates(folder, [place.dataDir]);
  expect([readFileSync(files.certFile, "utf8"), clusterOf()]).toEqual([made, cluster]);
  mkdirSync(place.dataDir);
  writeFileSync(join(place.dataDir, "node.json"), JSON.stringify({ clusterId: "other" }));
  await devCertificates(folder, [place.dataDir]);
  expect(clusterOf()).toBe("URI:varve://cluster/other");
  expect(statSync(files.keyFile).mode & 0o077).toBe(0);
});

test("brokerEnvironment: the shell's variables tune brokers but cannot move them", () => {
  const env = brokerEnvironment({
    PATH: "/bin",
    VARVE_BROKER_ID: "9",
    VARVE_LISTEN_GRPC_PORT: "1",
    VARVE_CLUSTER_SEEDS: "elsewhere:1",
    VARVE_RAFT_HEARTBEAT_MS: "50",
  });
  expect(env).toEqual({ PATH: "/bin", VARVE_RAFT_HEARTBEAT_MS: "50", UV_THREADPOOL_SIZE: "16" });
  expect(brokerEnvironment({ UV_THREADPOOL_SIZE: "4" })).toEqual({ UV_THREADPOOL_SIZE: "4" });
});

test("dev.json: has the documented shape, is replaced as a whole, and goes away", () => {
  const content = describeDev(
    11,
    places.map((place, index) => ({ place, pid: 100 + index })),
  );
  writeDevFile(folder, { ...content, pid: 10 });
  writeDevFile(folder, content);
  expect(readDevFile(folder)).toEqual(content);
  expect(Object.keys(content)).toEqual(["pid", "bootstrap", "brokers"]);
  expect(content.brokers[2]).toEqual({
    id: 3,
    pid: 102,
    grpc: "127.0.0.1:7670",
    peer: "127.0.0.1:7671",
    ops: "127.0.0.1:7672",
    dataDir: "/data/broker-3",
    logFile: "/data/broker-3.log",
  });
  expect(readdirSync(folder)).toEqual(["dev.json"]);
  removeDevFile(folder);
  removeDevFile(folder);
  expect(readdirSync(folder)).toEqual([]);
});

test("lockDevFolder: a second one is refused with the owner's process, until the first gives it back", () => {
  const unlock = lockDevFolder(folder);
  expect(() => lockDevFolder(folder)).toThrow(`(process ${process.pid}) runs on ${folder}`);
  unlock();
  lockDevFolder(folder)();
  expect(existsSync(join(folder, "dev.lock"))).toBe(false);
});

test("lockDevFolder: creates the folder; where it cannot, it says so", () => {
  lockDevFolder(join(folder, "a", "b"))();
  expect(existsSync(join(folder, "a", "b"))).toBe(true);
  writeFileSync(join(folder, "file"), "");
  expect(() => lockDevFolder(join(folder, "file", "c"))).toThrow(/cannot be used: .*choose another --data-dir/);
});

test("lockDevFolder: the lock of a dead process counts for nothing", () => {
  const dead = spawnSync(process.execPath, ["-e", ""]).pid;
  writeFileSync(join(folder, "dev.lock"), `${dead} 12345\n`);
  lockDevFolder(folder)();
  writeFileSync(join(folder, "dev.lock"), "");
  lockDevFolder(folder)();
});

test.skipIf(!existsSync("/proc/self/stat"))(
  "lockDevFolder: nor does a process that has got the dead one's number",
  () => {
    lockDevFolder(folder);
    const path = join(folder, "dev.lock");
    const [pid] = readFileSync(path, "utf8").split(" ");
    writeFileSync(path, `${pid} 1\n`);
    lockDevFolder(folder)();
  },
);
