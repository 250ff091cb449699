/**
 * run.ts: one run: a cluster of processes, clients, a nemesis; then everything is mended, and what every replica holds is read.
 *
 * Phases: start -> load under faults -> heal, settle -> brokers stop -> each replica's files are read. Each wait has a deadline.
 */
import { setMaxListeners } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Prng } from "@varve/base/testing";
import { Varve } from "@varve/client";
import { readUntil } from "./clients/reader.js";
import { sendUntil } from "./clients/sender.js";
import { nowMs, waitUntil } from "./clock.js";
import { ChaosCluster } from "./cluster/chaos-cluster.js";
import { dumpReplicas } from "./final/dump.js";
import { breakUntil, type Strike } from "./nemesis/nemesis.js";
import { Proc, Recorder } from "./recorder.js";
import type { ChaosSettings } from "./settings.js";

const TOPIC = "chaos";
const SENDERS = 2;
const READERS = 2;
const DELIVERY_TIMEOUT_MS = 8_000;
/** After everything is mended the cluster is whole within this time. */
const SETTLE_MS = 90_000;
/** Between two faults nobody waits longer than this for the cluster to be well. */
const HEALTHY_MS = 20_000;

export interface RunResult {
  readonly historyPath: string;
  readonly events: number;
  readonly strikes: readonly Strike[];
  /** What went wrong beside the history; empty when nothing did. */
  readonly problems: readonly string[];
}

export interface RunHooks {
  readonly say: (text: string) => void;
  /** Hears of the cluster as soon as there is one, so that a signal can end it. */
  readonly started: (cluster: ChaosCluster) => void;
  /** Aborted: the load ends now; everything after it is still done. */
  readonly signal: AbortSignal;
}

export async function runChaos(settings: ChaosSettings, hooks: RunHooks): Promise<RunResult> {
  mkdirSync(settings.out, { recursive: true });
  const cluster = await ChaosCluster.start(settings.brokers, new Prng(settings.seed).fork());
  hooks.started(cluster);
  try {
    return await new Run(settings, hooks, cluster).all();
  } finally {
    await cluster.stop();
    if (!settings.keep) cluster.removeFiles();
  }
}

class Run {
  private readonly settings: ChaosSettings;
  private readonly hooks: RunHooks;
  private readonly cluster: ChaosCluster;
  private readonly recorder = new Recorder();
  private readonly problems: string[] = [];

  constructor(settings: ChaosSettings, hooks: RunHooks, cluster: ChaosCluster) {
    this.settings = settings;
    this.hooks = hooks;
    this.cluster = cluster;
  }

  async all(): Promise<RunResult> {
    const { settings, cluster, hooks, recorder } = this;
    const varve = this.client();
    try {
      await varve.admin.createTopic({
        topic: TOPIC,
        partitions: settings.partitions,
        replicas: Math.min(3, settings.brokers),
      });
      await this.healthy(varve, SETTLE_MS);
      const strikes = await this.load(varve);
      hooks.say("mending, and waiting until the cluster is whole");
      await cluster.mend();
      await this.healthy(varve, SETTLE_MS);
      await this.askOffsets(varve);
      const topicIds = (await varve.admin.listTopics()).map(({ topicId, topic }) => ({ topicId, topic }));
      await this.dump(topicIds);
      const historyPath = join(settings.out, "history.jsonl");
      const events = await recorder.write(historyPath);
      return { historyPath, events, strikes, problems: this.problems };
    } finally {
      await varve.close();
    }
  }

  /** Clients and nemesis together; resolves when all of them have ended. */
  private async load(varve: Varve): Promise<readonly Strike[]> {
    const { settings, hooks, recorder, cluster } = this;
    const prng = new Prng(settings.seed);
    const over = this.endOfLoad();
    const clients: Varve[] = [];
    const client = (): Varve => {
      const made = this.client();
      clients.push(made);
      return made;
    };
    const senders = Array.from({ length: SENDERS }, (_, at) =>
      sendUntil(over, {
        varve: client(),
        recorder,
        name: `p${at}`,
        topic: TOPIC,
        acks: "quorum",
        sendsPerSecond: settings.sendsPerSecond / SENDERS,
        deliveryTimeoutMs: DELIVERY_TIMEOUT_MS,
        seed: prng.uint32(),
        onAck: () => {},
      }),
    );
    const readers = Array.from({ length: READERS }, (_, at) =>
      readUntil(over, { varve: client(), recorder, name: `r${at}`, topic: TOPIC, partitions: settings.partitions }),
    );
    const nemesis = breakUntil(over, {
      cluster,
      prng: prng.fork(),
      varve,
      topic: TOPIC,
      faults: settings.faults,
      recorder,
      healthy: (signal) => this.healthy(varve, HEALTHY_MS, signal).catch((error) => hooks.say(String(error))),
      say: hooks.say,
    });
    const [strikes] = await Promise.all([nemesis, ...senders, ...readers]);
    this.problems.push(...cluster.unexpectedEnds());
    await Promise.all(clients.map((one) => one.close()));
    return strikes;
  }

  /** Aborted when the load's time is over, or when the run is told to end. */
  private endOfLoad(): AbortSignal {
    const { settings, hooks } = this;
    const over = new AbortController();
    setMaxListeners(0, over.signal); // Every client listens.
    const end = (): void => {
      clearTimeout(timer);
      over.abort();
    };
    const timer = setTimeout(end, settings.runMs);
    if (hooks.signal.aborted) end();
    else hooks.signal.addEventListener("abort", end, { once: true });
    return over.signal;
  }

  /** The linearizable end of every partition, when nothing moves any more. */
  private async askOffsets(varve: Varve): Promise<void> {
    const proc = new Proc(this.recorder, "final-asker");
    for (const at of ["earliest", "latest"] as const) {
      await proc.operate(
        "listOffsets",
        { topic: TOPIC, at },
        () => varve.admin.listOffsets({ topic: TOPIC, at }),
        (offsets) => ({ offsets }),
      );
    }
  }

  /** Stops the brokers and writes down what each replica's files hold. */
  private async dump(topics: readonly { readonly topicId: string; readonly topic: string }[]): Promise<void> {
    const { cluster, recorder, hooks } = this;
    hooks.say("stopping the brokers, and reading every replica's files");
    await Promise.all(cluster.ids.map((id) => cluster.stopOne(id)));
    for (const broker of cluster.ids) {
      const dumps = await dumpReplicas(
        cluster.dataDirOf(broker),
        topics.map(({ topicId }) => topicId),
      );
      for (const { topicId, ...dump } of dumps) {
        const topic = topics.find((one) => one.topicId === topicId)?.topic;
        recorder.add({ t: nowMs(), proc: `broker-${broker}`, type: "ok", f: "final", broker, topic, ...dump });
      }
    }
  }

  private client(): Varve {
    return new Varve({ bootstrap: this.cluster.bootstrap });
  }

  private async healthy(varve: Varve, deadlineMs: number, signal?: AbortSignal): Promise<void> {
    await waitUntil("the cluster is whole", deadlineMs, async () => {
      if (signal?.aborted === true) return true;
      const { healthy, problems } = await varve.admin.clusterHealth();
      return healthy || JSON.stringify(problems.slice(0, 3));
    });
  }
}
