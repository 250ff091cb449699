/**
 * mixed-versions.test.ts: brokers of the version before this one and of this one in one cluster: upgraded one by one under load, put back while
 * that is allowed, and refused after the feature level was finalised.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Varve } from "@varve/client";
import { METHODS } from "@varve/rpc";
import { type BrokerPlace, BrokerProcess, findFreePorts, placeBrokers } from "varve";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PreviousBuild, previousMissing } from "../e2e/previous-build.js";
import { connect, DEADLINE, failureOf } from "../integration/raw.js";
import { SdkLoad } from "../integration/sdk-load.js";
import { until } from "../integration/varve-process.js";

const TOPIC = "orders";
const PARTITIONS = 6;
const READY_MS = 60_000;
const GRACE_MS = 30_000;
const TEST_MS = 240_000;

type Version = "old" | "new";

const missing = previousMissing();
if (missing !== null) process.stderr.write(`skipped: ${missing}\n`);

let previous: PreviousBuild | null = null;
let folder = "";
let client: Varve | null = null;
const running = new Map<number, BrokerProcess>();

beforeAll(() => {
  if (missing !== null) return;
  previous = new PreviousBuild();
  folder = mkdtempSync(join(tmpdir(), "varve-mixed-"));
});

afterAll(async () => {
  await client?.close();
  for (const broker of running.values()) broker.kill("SIGKILL");
  await Promise.all([...running.values()].map(({ ended }) => ended));
  previous?.remove();
  if (folder !== "") rmSync(folder, { recursive: true, force: true });
});

/** Starts the broker of a place; the old one by the same command line, with its own program in the place of this version's. */
async function start(place: BrokerPlace, version: Version): Promise<BrokerProcess> {
  const old = ["sh", "-c", `shift; exec "$0" ${previous?.command} "$@"`];
  const broker = await BrokerProcess.start(place, process.env, version === "old" ? old : []);
  running.set(place.id, broker);
  return broker;
}

async function roll(place: BrokerPlace, version: Version): Promise<void> {
  await running.get(place.id)?.stop(GRACE_MS);
  await (await start(place, version)).ready(READY_MS);
}

function writeConfig(place: BrokerPlace, seeds: readonly BrokerPlace[]): void {
  const port = (address: string): number => Number(address.split(":").at(-1));
  const config = {
    brokerId: place.id,
    dataDir: place.dataDir,
    host: `h${place.id}`,
    cluster: { seeds: seeds.map(({ peer }) => peer) },
    listen: { grpcPort: port(place.grpc), peerPort: port(place.peer), opsPort: port(place.ops) },
  };
  writeFileSync(place.configFile, JSON.stringify(config)); // JSON is YAML.
}

async function levelsOf({ ops }: BrokerPlace): Promise<{ readonly finalised: number; readonly supported: number }> {
  const text = await (await fetch(`http://${ops}/metrics`)).text();
  const gauge = (name: string): number => Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1]);
  return { finalised: gauge("varve_feature_level"), supported: gauge("varve_feature_level_supported") };
}

test.skipIf(missing !== null)(
  "three old brokers are upgraded one by one under load, one goes back, all go on; then the level is finalised, and old ones are refused",
  async () => {
    const places = placeBrokers(folder, await findFreePorts(4));
    const [one, two, three, late] = places;
    if (one === undefined || two === undefined || three === undefined || late === undefined)
      throw new Error("no places");
    const seeds = [one, two, three];
    for (const place of places) writeConfig(place, seeds);
    for (const place of seeds) await start(place, "old");
    await Promise.all([...running.values()].map((broker) => broker.ready(READY_MS)));
    const varve = new Varve({ bootstrap: seeds.map(({ grpc }) => grpc) });
    client = varve;
    await varve.admin.createTopic({ topic: TOPIC, partitions: PARTITIONS, replicas: 3 });
    const load = new SdkLoad(varve, TOPIC, PARTITIONS);
    await load.getsOn("on three old brokers");

    await roll(one, "new");
    await roll(two, "new");
    await load.getsOn("on an old and two new brokers");
    await varve.admin.createTopic({ topic: "made-by-both", partitions: 3, replicas: 3 });
    const newer = connect(one.grpc);
    const tooEarly = await failureOf(newer.unary(METHODS.finalizeFeatureLevel, { level: 2 }, DEADLINE));
    newer.close();
    expect(tooEarly.message).toContain("broker 3 (version 0.1.0) supports levels 1 to 1");
    await roll(two, "old");
    await load.getsOn("after one went back");
    await roll(two, "new");
    await roll(three, "new");
    await load.getsOn("on new brokers");

    expect(await levelsOf(one)).toEqual({ finalised: 1, supported: 2 });
    await varve.admin.finalizeFeatureLevel({ level: 2 });
    expect(await varve.admin.describeCluster()).toMatchObject({ featureLevel: 2 });
    await until("broker 1's metric tells it", async () => ((await levelsOf(one)).finalised === 2 ? true : null));
    await running.get(three.id)?.stop(GRACE_MS);
    const back = await start(three, "old");
    expect((await back.ended).code).toBe(1);
    expect(readFileSync(three.logFile, "utf8")).toContain("upgrade this broker");
    await (await start(three, "new")).ready(READY_MS);
    await start(late, "old");
    await until("a new broker of the old version is refused", () =>
      readFileSync(late.logFile, "utf8").includes("no common protocol version") ? true : null,
    );
    expect((await varve.admin.describeCluster()).brokers.map(({ id }) => id)).toEqual([1, 2, 3]);
    await load.getsOn("at level 2");
    await load.finish();
  },
  TEST_MS,
);
