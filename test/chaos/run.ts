/**
 * run.ts: one run: a cluster of processes, clients, a nemesis; then everything is mended, and what every replica holds is read and judged.
 *
 * Phases: start -> load under faults -> heal, settle, readers catch up -> brokers stop -> each replica's files are read -> verdicts. Each wait
 * has a deadline; what does not come in time is a problem of the run, and the phases after it are still done.
 */
import { setMaxListeners } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Prng } from "@varve/base/testing";
import { Varve } from "@varve/client";
import { waitUntil } from "./clock.js";
import { ChaosCluster } from "./cluster/chaos-cluster.js";
import { Starvation } from "./cluster/starvation.js";
import { announceReplicas, lastEnds } from "./final/last-look.js";
import { GroupLoad } from "./groups/group-load.js";
import { checkHistory, linesOf, type OperationName, type Verdict } from "./history/index.js";
import { Load } from "./load.js";
import { breakUntil, type Strike } from "./nemesis/nemesis.js";
import { Recorder } from "./recorder.js";
import { Measures } from "./report/measures.js";
import type { FaultCount, OperationCount, Report } from "./report/report.js";
import { type ChaosSettings, commandOf } from "./settings.js";

const TOPIC = "chaos";
/** After everything is mended the cluster is whole within this time. */
const SETTLE_MS = 90_000;
/** Then readers and groups go on to the end, and do not stand still for long. */
const CATCH_UP = { stillMs: 60_000, deadlineMs: 600_000 } as const;

export interface RunHooks {
  readonly say: (text: string) => void;
  /** Hears of the cluster as soon as there is one, so that a signal can end it. */
  readonly started: (cluster: ChaosCluster) => void;
  /** Hears of the groups' processes, likewise. */
  readonly working: (groups: GroupLoad | null) => void;
  /** Aborted: the load ends now; everything after it is still done. */
  readonly signal: AbortSignal;
}

/** @throws Error when the cluster does not start. */
export async function runChaos(settings: ChaosSettings, hooks: RunHooks): Promise<Report> {
  mkdirSync(settings.out, { recursive: true });
  const { brokers, faults, seed } = settings;
  const powers = [...new Set(faults.flatMap(({ needs }) => (needs === undefined ? [] : [needs])))];
  const cluster = await ChaosCluster.start({
    brokers,
    powers,
    prng: new Prng(seed).fork(),
    namespaces: settings.namespaces,
    broken: settings.broken,
  });
  hooks.started(cluster);
  try {
    return await new Run(settings, hooks, cluster).all();
  } finally {
    await cluster.stop();
    if (settings.keep) hooks.say(`the brokers' folders are in ${cluster.folder}`);
    else cluster.removeFiles();
  }
}

class Run {
  private readonly settings: ChaosSettings;
  private readonly hooks: RunHooks;
  private readonly cluster: ChaosCluster;
  private readonly recorder = new Recorder();
  private readonly measures: Measures;
  private readonly problems: string[] = [];
  private readonly strikes: Strike[] = [];
  private starvation: Starvation | null = null;
  private readonly varve: Varve;

  constructor(settings: ChaosSettings, hooks: RunHooks, cluster: ChaosCluster) {
    this.settings = settings;
    this.hooks = hooks;
    this.cluster = cluster;
    this.varve = new Varve({ bootstrap: cluster.bootstrap });
    this.measures = new Measures(settings.partitions, cluster);
  }

  async all(): Promise<Report> {
    const { settings, varve, measures } = this;
    try {
      const { partitions } = settings;
      await varve.admin.createTopic({ topic: TOPIC, partitions, replicas: replicasOf(settings) });
      await this.healthy(SETTLE_MS);
      await this.load().catch((error: unknown) => this.failed(error));
      await this.dump();
    } catch (error) {
      this.failed(error);
    } finally {
      measures.stop();
      await varve.close();
    }
    const historyPath = join(settings.out, "history.jsonl");
    const events = await this.recorder.write(historyPath);
    this.hooks.say(`judging ${events} events`);
    return this.report(events, this.judge(historyPath));
  }

  private failed(error: unknown): void {
    this.problems.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }

  /** Clients and nemesis together, then the mending; resolves when all of them have ended and everything was read. */
  private async load(): Promise<void> {
    const { settings, hooks, recorder, cluster, varve, measures } = this;
    const prng = new Prng(settings.seed);
    const over = this.endOfLoad();
    measures.begin();
    this.starvation = new Starvation(cluster, recorder);
    const { sendsPerSecond, partitions } = settings;
    const { bootstrap } = cluster;
    const seed = prng.uint32();
    const groups = settings.groups
      ? new GroupLoad({ bootstrap, topic: TOPIC, partitions, recorder, prng: prng.fork() })
      : null;
    hooks.working(groups);
    const replicas = replicasOf(settings);
    const options = { bootstrap, topic: TOPIC, partitions, replicas, sendsPerSecond, seed, recorder, measures, groups };
    const load = new Load(over.signal, options);
    try {
      await breakUntil(over.signal, {
        strikes: this.strikes,
        cluster,
        prng: prng.fork(),
        varve,
        topic: TOPIC,
        faults: settings.faults,
        recorder,
        groups,
        partitions,
        measures,
        rounds: settings.rounds,
        once: settings.once,
        whole: (deadlineMs) => this.isWhole(deadlineMs),
        say: hooks.say,
      });
      over.end();
      await load.ended();
      hooks.say("mending, until the cluster is whole and every reader is at the end");
      await cluster.mend();
      groups?.mend();
      await this.healthy(SETTLE_MS);
      const ends = await lastEnds(this.recorder, this.varve, TOPIC);
      await load.caughtUp(ends, CATCH_UP);
      await groups?.caughtUp(ends, CATCH_UP);
    } finally {
      this.starvation?.stop();
      this.problems.push(...cluster.unexpectedEnds());
      await Promise.all([load.stop(), groups?.stop()]);
      this.problems.push(...(groups?.problems ?? []));
    }
  }

  /** Aborted when the load's time is over, or when the run is told to end. */
  private endOfLoad(): { readonly signal: AbortSignal; readonly end: () => void } {
    const { settings, hooks } = this;
    const over = new AbortController();
    setMaxListeners(0, over.signal); // Every client listens.
    const end = (): void => {
      clearTimeout(timer);
      this.measures.stop();
      over.abort();
    };
    const timer = setTimeout(end, settings.runMs);
    if (hooks.signal.aborted) end();
    else hooks.signal.addEventListener("abort", end, { once: true });
    return { signal: over.signal, end };
  }

  /** Stops the brokers and writes down what each replica's files hold. */
  private async dump(): Promise<void> {
    const { cluster, recorder, hooks, varve } = this;
    const { topicId, partitions } = await varve.admin.describeTopic(TOPIC);
    hooks.say("stopping the brokers, and reading every replica's files");
    await Promise.all(cluster.ids.map((id) => cluster.stopOne(id)));
    const held = { topic: TOPIC, topicId, partitions };
    for (const broker of cluster.ids)
      await announceReplicas(recorder, broker, cluster.dataDirOf(broker), held).catch((error: unknown) =>
        this.failed(error),
      );
  }

  private judge(historyPath: string): readonly Verdict[] {
    const judgement = checkHistory(linesOf(historyPath));
    if (judgement.kind === "judged") return judgement.verdicts;
    this.problems.push(`${historyPath}:${judgement.line}: ${judgement.problem}`);
    return [];
  }

  private report(events: number, verdicts: readonly Verdict[]): Report {
    const { settings, recorder, measures, problems, strikes } = this;
    return {
      command: commandOf(settings),
      seed: settings.seed,
      brokers: settings.brokers,
      dateIso: new Date().toISOString(),
      loadMs: measures.loadMs,
      events,
      operations: operationsOf(recorder),
      faults: settings.faults.map((fault) => countOf(fault, strikes)),
      skipped: settings.skipped,
      broken: settings.broken,
      strikes: strikes.map((strike) => ({
        ...strike,
        fromMs: strike.fromMs - measures.startMs,
        toMs: strike.toMs - measures.startMs,
      })),
      partitions: measures.partitionMeasures(),
      brokerMeasures: measures.brokerMeasures(),
      resume: measures.resumeMeasures(),
      wokenAnswers: measures.wokenAnswers,
      starvedMs: this.starvation?.totalMs ?? 0,
      verdicts,
      problems,
    };
  }

  private async isWhole(deadlineMs: number): Promise<boolean> {
    return this.healthy(deadlineMs).then(
      () => true,
      (error: unknown) => {
        this.hooks.say(String(error));
        return false;
      },
    );
  }

  private async healthy(deadlineMs: number): Promise<void> {
    await waitUntil("the cluster is whole", deadlineMs, async () => {
      const { healthy, problems } = await this.varve.admin.clusterHealth();
      return healthy || JSON.stringify(problems.slice(0, 3));
    });
  }
}

const replicasOf = ({ brokers }: ChaosSettings): number => Math.min(3, brokers);

const OPERATIONS: readonly OperationName[] = [
  "send",
  "poll",
  "assign",
  "listOffsets",
  "commit",
  "fetchOffsets",
  "seek",
  "createTopic",
  "deleteTopic",
];

function operationsOf(recorder: Recorder): OperationCount[] {
  return OPERATIONS.filter((f) => recorder.tally(f, "invoke") > 0).map((f) => ({
    f,
    ok: recorder.tally(f, "ok"),
    fail: recorder.tally(f, "fail"),
    info: recorder.tally(f, "info"),
  }));
}

function countOf(
  { name, does }: { readonly name: string; readonly does: string },
  strikes: readonly Strike[],
): FaultCount {
  const own = strikes.filter((strike) => strike.name === name);
  const lastedMs = own.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
  return { name, does, fired: own.length, lastedMs };
}
