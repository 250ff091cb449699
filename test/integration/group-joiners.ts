/** group-joiners.ts: a hundred members that join a group and leave it, or die, again and again, and what they leave behind. */
import { readFileSync } from "node:fs";
import { isVarveError, MIB } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { Varve } from "@varve/client";
import { GROUP_METHODS, type RpcChannel } from "@varve/rpc";
import { LocalBrokers } from "varve";
import { expect } from "vitest";
import { machineMs } from "./group-report.js";
import { GroupWorkers } from "./group-workers.js";
import { connect } from "./raw.js";
import { waitUntil } from "./sdk-load.js";

const JOINERS = 100;
const CONNECTIONS = 4;
const PARTITIONS = 12;
const SESSION_MS = 4_000;
const GROUP = "joined";
const LIVES_MS_MAX = 1_000;
const LEAVE_EPOCH = -1;
const SETTLED_MS = SESSION_MS + 5_000;
const HEAP_MIB = 64;
const YOUNG_MIB = 4;
/** What a broker may keep of it, with a heap that cannot hide what it keeps. */
const RSS_GROWTH_BYTES_MAX = 64 * MIB;

export interface Joined {
  readonly joins: number;
  readonly crashes: number;
  readonly mostMembers: number;
  readonly settledMs: number;
  readonly rssMib: { readonly before: number; readonly during: number; readonly after: number };
}

/**
 * Lets them come and go for so long beside one worker that stays. Afterwards the group is that worker's alone, within session timeout and
 * 5 s, and the broker is as large as it was after the first third.
 */
export async function joinAndLeave(forMs: number, seed: number): Promise<Joined> {
  const brokers = await startWithSmallHeap();
  const client = new Varve({ bootstrap: brokers.bootstrap });
  const workers = new GroupWorkers(brokers.bootstrap, GROUP, GROUP, { sessionTimeoutMs: SESSION_MS });
  const channels = Array.from({ length: CONNECTIONS }, () => connect(brokers.bootstrap));
  try {
    await client.admin.createTopic({ topic: GROUP, partitions: PARTITIONS });
    await workers.startSharing(1, PARTITIONS);
    const rssMib = (): number => Math.round(rssOf(brokers.places()[0]?.pid ?? 0) / MIB);
    const crowd = new Crowd(channels, forMs, seed);
    const before = rssMib();
    const during = crowd.at(forMs / 3).then(rssMib);
    let mostMembers = 0;
    const watching = (async () => {
      while (!crowd.isOver) {
        const { members } = await client.admin.describeGroup(GROUP);
        mostMembers = Math.max(mostMembers, members.length);
        await pause(500);
      }
    })();
    await crowd.gone;
    const fromMs = machineMs();
    await watching;
    await waitUntil("the group is the worker's alone", SETTLED_MS, async () => {
      const { state, members } = await client.admin.describeGroup(GROUP);
      return state === "stable" && members.length === 1 && members[0]?.assigned.length === PARTITIONS;
    });
    const settledMs = Math.round(machineMs() - fromMs);
    const after = rssMib();
    const [worker] = workers.all;
    expect(worker?.of("lost")).toEqual([]);
    await worker?.says("has all partitions again", ({ partitions }) => partitions.length === PARTITIONS);
    expect((after - (await during)) * MIB).toBeLessThan(RSS_GROWTH_BYTES_MAX);
    const { joins, crashes } = crowd;
    return { joins, crashes, mostMembers, settledMs, rssMib: { before, during: await during, after } };
  } finally {
    for (const channel of channels) channel.close();
    await workers.kill();
    await client.close();
    await brokers.stop({ keepFiles: false });
  }
}

/** One broker whose garbage is collected early, so that its size says what it keeps: V8 lets a heap grow to gigabytes before it looks. */
async function startWithSmallHeap(): Promise<LocalBrokers> {
  const before = process.env["NODE_OPTIONS"];
  process.env["NODE_OPTIONS"] = `--max-old-space-size=${HEAP_MIB} --max-semi-space-size=${YOUNG_MIB}`;
  try {
    return await LocalBrokers.start(1);
  } finally {
    if (before === undefined) delete process.env["NODE_OPTIONS"];
    else process.env["NODE_OPTIONS"] = before;
  }
}

/** A hundred members, each with one short life after another. */
class Crowd {
  joins = 0;
  crashes = 0;
  isOver = false;
  /** Resolves when the last life has ended. */
  readonly gone: Promise<void>;
  private readonly startedAtMs = machineMs();
  private readonly endMs: number;
  private readonly prng: Prng;

  constructor(channels: readonly RpcChannel[], forMs: number, seed: number) {
    this.endMs = this.startedAtMs + forMs;
    this.prng = new Prng(seed);
    const joiners = Array.from({ length: JOINERS }, (_, at) => this.comeAndGo(this.prng.pick(channels), at));
    this.gone = Promise.all(joiners).then(() => {
      this.isOver = true;
    });
  }

  /** Resolves so many milliseconds after the first came. */
  at(ms: number): Promise<void> {
    return pause(this.startedAtMs + ms - machineMs());
  }

  private async comeAndGo(channel: RpcChannel, joiner: number): Promise<void> {
    for (let life = 0; machineMs() < this.endMs; life++) {
      await this.live(channel, `joiner-${joiner}-${life}`).catch((error: unknown) => {
        // On a busy machine a life may outlast its session: one more way to die.
        if (!isVarveError(error) || error.code !== "UNKNOWN_MEMBER") throw error;
        this.crashes++;
      });
    }
  }

  private async live(channel: RpcChannel, memberId: string): Promise<void> {
    const stream = channel.bidi(GROUP_METHODS.session, {});
    const identity = {
      group: GROUP,
      memberId,
      clientId: memberId,
      sessionTimeoutMs: SESSION_MS,
      topics: [GROUP],
      owned: [],
    };
    await stream.write({ ...identity, memberEpoch: 0, sequence: 1 });
    const answers = stream.responses[Symbol.asyncIterator]();
    const first = await answers.next();
    if (first.done === true) throw new Error(`${memberId} was not answered`);
    this.joins++;
    await pause(this.prng.between(0, LIVES_MS_MAX));
    if (this.prng.chance(0.5)) {
      this.crashes++;
      stream.cancel();
      return;
    }
    await stream.write({ ...identity, memberEpoch: LEAVE_EPOCH, sequence: 2 });
    stream.end();
    while ((await answers.next()).done !== true);
  }
}

function rssOf(pid: number): number {
  const [, kib = "0"] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) * 1_024;
}

/** The pace of what comes and goes. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
