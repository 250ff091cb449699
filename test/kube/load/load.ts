/**
 * load.ts: a steady load on one topic, by the clients of `test/chaos`: a producer, a reader, who asks for the partitions' ends, and two groups of
 * worker processes. Everything stands in one history; the faults that others cause are told to it while they last.
 */
import { setMaxListeners } from "node:events";
import { join } from "node:path";
import { Prng } from "@varve/base/testing";
import { Varve } from "@varve/client";
import { askUntil } from "../../chaos/clients/asker.js";
import { FollowingReader } from "../../chaos/clients/reader.js";
import { sendUntil } from "../../chaos/clients/sender.js";
import { nowMs, waitUntil, waitUntilNone } from "../../chaos/clock.js";
import { GroupLoad } from "../../chaos/groups/group-load.js";
import { Proc, Recorder } from "../../chaos/recorder.js";
import { GapMeter } from "./gap-meter.js";
import { groupPrefixOf, type LoadEnd, type LoadPlan, type LoadStatus } from "./plan.js";

/** Rides out everything that these scenarios do but the loss of a majority. */
const DELIVERY_TIMEOUT_MS = 60_000;
const TOPIC_MS = 60_000;
/** Readers and groups have this long without getting on, and this long in all, to come to the end. */
const CATCH_UP = { stillMs: 60_000, deadlineMs: 300_000 } as const;
const ENDS_MS = 120_000;

export class KubeLoad {
  private readonly recorder = new Recorder();
  private readonly over = new AbortController();
  private readonly varve: Varve;
  private readonly gaps: GapMeter;
  private readonly reader: FollowingReader;
  private readonly groups: GroupLoad;
  private readonly working: Promise<unknown>;
  private readonly nemesis = new Proc(this.recorder, "nemesis");
  private endFault: (() => void) | null = null;
  private fault: Promise<unknown> = Promise.resolve();

  /** Makes the topic and begins. @throws Error when the cluster does not take it within a minute, or has one with records of others. */
  static async start(plan: LoadPlan): Promise<KubeLoad> {
    const varve = clientOf(plan);
    try {
      await makeTopic(varve, plan);
    } catch (error) {
      await varve.close();
      throw error;
    }
    return new KubeLoad(plan, varve);
  }

  private constructor(
    private readonly plan: LoadPlan,
    varve: Varve,
  ) {
    this.varve = varve;
    const { topic, partitions, bootstrap, tls, bytesPerSecond, recordBytes } = plan;
    const { recorder } = this;
    const prng = new Prng(plan.seed);
    this.gaps = new GapMeter(partitions, nowMs());
    this.reader = new FollowingReader({ varve, recorder, name: "reader", topic, partitions });
    this.groups = new GroupLoad({
      bootstrap,
      topic,
      partitions,
      recorder,
      prng,
      tls,
      groupPrefix: groupPrefixOf(plan),
    });
    const { signal } = this.over;
    // Every lane of the producer waits on it.
    setMaxListeners(0, signal);
    const sending = sendUntil(signal, {
      varve,
      recorder,
      name: "p0",
      topic,
      partitions,
      acks: "quorum",
      sendsPerSecond: bytesPerSecond / recordBytes,
      deliveryTimeoutMs: DELIVERY_TIMEOUT_MS,
      paddingBytes: recordBytes,
      seed: prng.uint32(),
      onAck: ({ partition }, atMs) => this.gaps.acknowledged(partition, atMs),
    });
    this.working = Promise.all([sending, askUntil(signal, { varve, recorder, name: "asker", topic })]);
  }

  status(): LoadStatus {
    const { recorder } = this;
    return {
      acknowledged: recorder.tally("send", "ok"),
      failed: recorder.tally("send", "fail"),
      unknown: recorder.tally("send", "info"),
      gaps: this.gaps.gaps(nowMs()),
    };
  }

  /** A fault begins; one that has not ended, ends. `target`: a broker's id, or whatever else is meant. */
  begin(name: string, target: unknown): void {
    this.end();
    this.gaps.restart(nowMs());
    const { promise, resolve } = ender();
    this.endFault = resolve;
    this.fault = this.nemesis.operate(
      "nemesis",
      { name, target },
      () => promise,
      () => ({}),
    );
  }

  /** The fault has ended. The gaps go on being those since it began. */
  end(): void {
    this.endFault?.();
    this.endFault = null;
  }

  /** Sends no more, lets readers and groups come to the end, and writes the history to `folder`. */
  async stop(): Promise<LoadEnd> {
    const status = this.status();
    this.end();
    await this.fault;
    this.over.abort();
    await this.working;
    const problems: string[] = [];
    const check = (work: Promise<unknown>): Promise<unknown> =>
      work.catch((error: unknown) => problems.push(error instanceof Error ? error.message : String(error)));
    const ends = await endsOf(this.varve, this.plan.topic).catch((error: unknown) => {
      problems.push(`the partitions' ends: ${error}`);
      return [];
    });
    const { name, reached } = this.reader;
    const unseen = (): number => ends.reduce((sum, end, at) => sum + Math.max(0, end - (reached[at] ?? 0)), 0);
    await check(waitUntilNone(`records that ${name} has not seen`, CATCH_UP, unseen));
    await check(this.groups.caughtUp(ends, CATCH_UP));
    await this.groups.stop();
    await this.reader.stop();
    await this.varve.close();
    const events = await this.recorder.write(historyOf(this.plan));
    return { ...status, events, problems: [...problems, ...this.groups.problems] };
  }

  /** Ends at once; no process is left. */
  killAll(): void {
    this.groups.killAll();
  }
}

/** Where the history is when the load has stopped. */
export function historyOf({ folder }: Pick<LoadPlan, "folder">): string {
  return join(folder, "history.jsonl");
}

async function makeTopic(varve: Varve, { topic, partitions, replicas }: LoadPlan): Promise<void> {
  await waitUntil(`the topic ${topic}`, TOPIC_MS, async () => {
    // A second attempt finds what the first one made although nothing was heard of it.
    await varve.admin.createTopic({ topic, partitions, replicas, ifNotExists: true });
    return true;
  });
  if ((await endsOf(varve, topic)).some((end) => end > 0)) throw new Error(`the topic ${topic} has records of others`);
}

/** By partition: one past its last record. */
async function endsOf(varve: Varve, topic: string): Promise<number[]> {
  const ends: number[] = [];
  await waitUntil(`the ends of ${topic}`, ENDS_MS, async () => {
    for (const { partition, offset } of await varve.admin.listOffsets({ topic, at: "latest" }))
      ends[partition] = offset;
    return true;
  });
  return ends;
}

function clientOf({ bootstrap, tls }: LoadPlan): Varve {
  return new Varve({ bootstrap: bootstrap.split(","), ...(tls === null ? {} : { tls }) });
}

function ender(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
