/**
 * group-commits.test.ts: a million commits leave logs as small as what they say, on a real disk, and a restart that reads little.
 *
 * They go to the coordinators inside the broker's process, past gRPC, since it is the logs' size that is looked at, not the calls.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MIB, silentLogger } from "@varve/base";
import { parseConfig } from "@varve/broker";
import { type RunningBroker, runBroker } from "@varve/broker/node";
import { GROUP_METHODS, METHODS } from "@varve/rpc";
import { afterAll, expect, test } from "vitest";
import { freePorts } from "../integration/ports.js";
import { connect, DEADLINE } from "../integration/raw.js";

const COMMITS = 1_000_000;
const PARTITIONS = 4;
const AT_ONCE_PER_COORDINATOR = 32;
/** Two segments of 4 MiB and checkpoints for each of 16 logs, and what the write-ahead log keeps of them. */
const GROUP_LOGS_BYTES_MAX = 16 * 12 * MIB;

const folder = mkdtempSync(join(tmpdir(), "varve-group-commits-"));
const [peerPort = 0] = await freePorts(1);
const running: RunningBroker[] = [];

afterAll(async () => {
  for (const broker of running) await broker.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function start(): Promise<RunningBroker> {
  const config = parseConfig({
    brokerId: 1,
    dataDir: join(folder, "data"),
    cluster: { seeds: [`127.0.0.1:${peerPort}`] },
    listen: { grpcPort: 0, peerPort, opsPort: 0 },
  });
  const broker = await runBroker(config, { logger: silentLogger, watchProcess: false });
  running.push(broker);
  await broker.ready;
  return broker;
}

function bytesUnder(path: string): number {
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.blocks * 512;
  return readdirSync(path).reduce((sum, name) => sum + bytesUnder(join(path, name)), 0);
}

function seconds(sinceMs: number): string {
  return ((performance.now() - sinceMs) / 1_000).toFixed(2);
}

test(`${COMMITS} commits, then the size of the logs and the time of a restart`, { timeout: 600_000 }, async () => {
  let broker = await start();
  const channel = connect(`127.0.0.1:${broker.grpcPort}`);
  await channel.unary(METHODS.createTopic, { topic: "t", partitions: PARTITIONS, replicas: 1 }, DEADLINE);
  const { topicId } = await channel.unary(METHODS.describeTopic, { topic: "t" }, DEADLINE);
  const names = Array.from({ length: 64 }, (_, at) => `group-${at}`);
  const first = { topicId, partition: 0, assignmentEpoch: 0, offset: 0 };
  for (const group of names)
    await channel.unary(GROUP_METHODS.commitOffsets, { group, memberId: "", offsets: [first] }, DEADLINE);

  const startedAtMs = performance.now();
  const coordinators = [...broker.broker.partitions.allCoordinators()];
  let done = 0;
  await Promise.all(
    coordinators.map(async (coordinator) => {
      const groups = (await coordinator.list()).map(({ group }) => group);
      if (groups.length === 0) return;
      const worker = async (seed: number): Promise<void> => {
        for (let turn = seed; done < COMMITS; turn++) {
          const offset = ++done;
          const group = groups[turn % groups.length] ?? "";
          const commit = {
            topicId,
            partition: turn % PARTITIONS,
            assignmentEpoch: null,
            offset,
            leaderEpoch: 1,
            metadata: "",
          };
          await coordinator.commit({ group, memberId: null, memberEpoch: 0, offsets: [commit] });
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE_PER_COORDINATOR }, (_, seed) => worker(seed)));
    }),
  );
  const took = seconds(startedAtMs);
  const { offsets } = await channel.unary(GROUP_METHODS.fetchOffsets, { group: "group-7" }, DEADLINE);
  channel.close();
  await broker.stop();

  const dataDir = join(folder, "data");
  const topicFolders = readdirSync(join(dataDir, "topics")).filter(
    (name) => name !== topicId && !name.startsWith("00000000-0000"),
  );
  const logBytes = topicFolders.reduce((sum, name) => sum + bytesUnder(join(dataDir, "topics", name)), 0);
  const storeBytes = bytesUnder(join(dataDir, "state"));
  const restartedAtMs = performance.now();
  broker = await start();
  const restart = seconds(restartedAtMs);
  const again = connect(`127.0.0.1:${broker.grpcPort}`);
  const kept = await again.unary(GROUP_METHODS.fetchOffsets, { group: "group-7" }, DEADLINE);
  expect(kept.offsets).toEqual(offsets);
  again.close();
  await broker.stop();

  rmSync(join(dataDir, "state"), { recursive: true });
  const rebuiltAtMs = performance.now();
  broker = await start();
  const rebuilt = seconds(rebuiltAtMs);
  const third = connect(`127.0.0.1:${broker.grpcPort}`);
  const made = await third.unary(GROUP_METHODS.fetchOffsets, { group: "group-7" }, DEADLINE);
  expect(made.offsets).toEqual(offsets);
  third.close();
  expect(logBytes).toBeLessThan(GROUP_LOGS_BYTES_MAX);
  process.stdout.write(
    `${done} commits in ${took} s; logs of groups ${(logBytes / MIB).toFixed(1)} MiB, store ${(storeBytes / MIB).toFixed(1)} MiB; ` +
      `ready after ${restart} s, without the store after ${rebuilt} s\n`,
  );
});
