/**
 * run.ts: one cluster of containers from its first broker to the verdict: load, scenarios, and the proof of test/chaos that nothing was lost.
 *
 * Phases: start -> load while scenarios run, one after another -> readers catch up -> brokers stop -> each replica's files are copied out and read ->
 * verdicts. A scenario that fails ends the scenarios; every broker is brought back, and the phases after it are still done, so that what was lost is known
 * even then.
 */
import { setMaxListeners } from "node:events";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Prng } from "@varve/base/testing";
import { Varve } from "@varve/client";
import { nowMs, pause, waitUntil } from "../chaos/clock.js";
import { Starvation } from "../chaos/cluster/starvation.js";
import { announceReplicas, lastEnds } from "../chaos/final/last-look.js";
import { GroupLoad } from "../chaos/groups/group-load.js";
import { checkHistory, linesOf, type Verdict } from "../chaos/history/index.js";
import { Load } from "../chaos/load.js";
import { Recorder } from "../chaos/recorder.js";
import { ClusterCertificates } from "./containers/cluster-certificates.js";
import { ContainerCluster } from "./containers/container-cluster.js";
import type { Life } from "./plan.js";
import { AckLog } from "./report/gaps.js";
import type { LifeReport, ScenarioReport } from "./report/report.js";
import type { Images, Scenario, ScenarioContext } from "./scenarios/scenario.js";
import { scratch } from "./scratch.js";

const TOPIC = "e2e";
/** The topic that clients make and delete all the time: some of it is always just being made. */
const CHURN = "churn";
const PARTITIONS = 6;
const REPLICAS = 3;
const FIRST_BROKERS = [1, 2, 3];
const CERTIFICATE_DAYS = 30;
/** Load on a cluster that nobody touches: what gaps are to be compared with. */
const REST_MS = 3_000;
const WHOLE_MS = 120_000;
const ACKNOWLEDGED_MS = 120_000;
const CATCH_UP = { stillMs: 60_000, deadlineMs: 300_000 } as const;

export interface RunOptions {
  /** Names everything that the run makes. */
  readonly run: string;
  readonly images: Images;
  readonly seed: number;
  readonly sendsPerSecond: number;
  /** Folder of the history. */
  readonly out: string;
  readonly say: (text: string) => void;
}

/** @throws Error when the cluster does not start. */
export async function runLife(life: Life, options: RunOptions): Promise<LifeReport> {
  const certificates = life.isSecured ? await ClusterCertificates.create(life.brokersMax, CERTIFICATE_DAYS) : null;
  try {
    const cluster = await ContainerCluster.create(options.run, life.name, life.brokersMax, certificates);
    return await new LifeRun(life, options, cluster).all();
  } finally {
    certificates?.remove();
  }
}

class LifeRun {
  private readonly recorder = new Recorder();
  private readonly acks = new AckLog(PARTITIONS);
  private readonly scenarios: ScenarioReport[] = [];
  private readonly problems: string[] = [];
  private readonly varve: Varve;
  private readonly startedMs = nowMs();
  private wholeAfterMs = 0;
  private starvedMs = 0;

  constructor(
    private readonly life: Life,
    private readonly options: RunOptions,
    private readonly cluster: ContainerCluster,
  ) {
    this.varve = new Varve({ bootstrap: cluster.bootstrap, tls: cluster.certificates?.forClients });
  }

  async all(): Promise<LifeReport> {
    const { life, options, varve } = this;
    mkdirSync(options.out, { recursive: true });
    const history = join(options.out, `history-${life.name}.jsonl`);
    try {
      await this.start();
      await this.load();
      await this.dump();
    } catch (error) {
      this.note(error);
    } finally {
      await varve.close();
    }
    const events = await this.recorder.write(history);
    options.say(`judging ${events} events`);
    return {
      life: life.name,
      wholeAfterMs: this.wholeAfterMs,
      scenarios: this.scenarios,
      acknowledged: this.acks.count,
      events,
      starvedMs: this.starvedMs,
      verdicts: this.judge(history),
      problems: this.problems,
    };
  }

  private async start(): Promise<void> {
    const { cluster, life, options, varve } = this;
    const image = life.beginsWith === "current" ? options.images.current : options.images.previous;
    if (image === null) throw new Error("there is no image to begin with");
    await Promise.all(FIRST_BROKERS.map((id) => cluster.launch(id, image)));
    await Promise.all(FIRST_BROKERS.map((id) => cluster.ready(id)));
    await varve.admin.createTopic({ topic: TOPIC, partitions: PARTITIONS, replicas: REPLICAS });
    await this.whole();
    this.wholeAfterMs = nowMs() - this.startedMs;
    options.say(`three brokers of ${image} are whole after ${(this.wholeAfterMs / 1_000).toFixed(1)} s`);
  }

  /** Clients and scenarios together; resolves when all of them have ended and everything was read. */
  private async load(): Promise<void> {
    const { options, recorder, cluster, acks } = this;
    const { bootstrap } = cluster;
    const tls = cluster.certificates?.forClients ?? null;
    const prng = new Prng(options.seed);
    const over = new AbortController();
    setMaxListeners(0, over.signal); // Every client listens.
    const starvation = new Starvation(cluster, recorder);
    const groups = new GroupLoad({ bootstrap, topic: TOPIC, partitions: PARTITIONS, recorder, prng: prng.fork(), tls });
    const load = new Load(over.signal, {
      bootstrap,
      tls,
      topic: TOPIC,
      partitions: PARTITIONS,
      replicas: REPLICAS,
      sendsPerSecond: options.sendsPerSecond,
      seed: prng.uint32(),
      recorder,
      measures: acks,
      groups,
    });
    const killGroups = (): void => groups.killAll();
    process.once("exit", killGroups);
    try {
      await this.runScenarios(prng).catch(async (error: unknown) => {
        this.note(error);
        await cluster.mend();
      });
      over.abort();
      await load.ended();
      options.say("until every reader and every group is at the end");
      await this.whole();
      const ends = await lastEnds(this.recorder, this.varve, TOPIC);
      await load.caughtUp(ends, CATCH_UP);
      await groups.caughtUp(ends, CATCH_UP);
    } finally {
      over.abort();
      starvation.stop();
      this.starvedMs = starvation.totalMs;
      this.problems.push(...(await cluster.unexpectedEnds()));
      await Promise.all([load.stop(), groups.stop()]);
      process.off("exit", killGroups);
      this.problems.push(...groups.problems);
    }
  }

  /** All of the life's, until one fails. */
  private async runScenarios(prng: Prng): Promise<void> {
    const context: ScenarioContext = {
      cluster: this.cluster,
      prng,
      varve: this.varve,
      topic: TOPIC,
      images: this.options.images,
      fault: (name, target, act) => this.fault(name, target, act),
      whole: () => this.whole(),
      acknowledged: (times) => this.acknowledged(times),
      say: this.options.say,
    };
    const rest: Scenario = { name: "at rest", does: "nobody touches the cluster", run: () => pause(REST_MS) };
    for (const scenario of [rest, ...this.life.scenarios]) await this.runScenario(scenario, context);
  }

  private async runScenario({ name, does, run }: Scenario, context: ScenarioContext): Promise<void> {
    await this.acknowledged(1);
    const fromMs = nowMs();
    try {
      await run(context);
      await this.whole();
      await this.acknowledged(1);
    } finally {
      const toMs = nowMs();
      const gapsMs = this.acks.longestGapsMs({ fromMs, toMs });
      this.scenarios.push({ name, does, lastedMs: toMs - fromMs, gapsMs });
      const longest = (Math.max(...gapsMs) / 1_000).toFixed(2);
      this.options.say(`${name}: ${((toMs - fromMs) / 1_000).toFixed(1)} s, longest gap ${longest} s`);
    }
  }

  private async fault(name: string, target: string, act: () => Promise<void>): Promise<void> {
    const { recorder } = this;
    const proc = "scenario";
    recorder.add({ t: nowMs(), proc, type: "invoke", f: "nemesis" }, { name, target });
    await act();
    recorder.add({ t: nowMs(), proc, type: "ok", f: "nemesis" }, {});
  }

  /** Waits until each partition has acknowledged so many more records. */
  private async acknowledged(times: number): Promise<void> {
    const wanted = this.acks.counts().map((count) => count + times);
    await waitUntil("every partition acknowledges", ACKNOWLEDGED_MS, async () => {
      const silent = this.acks.counts().flatMap((count, at) => (count < (wanted[at] ?? 0) ? [at] : []));
      return silent.length === 0 || `partitions ${silent} do not`;
    });
  }

  /** Stops the brokers and writes down what each replica's files hold. */
  private async dump(): Promise<void> {
    const { cluster, recorder, options, varve } = this;
    const { topicId, partitions } = await varve.admin.describeTopic(TOPIC);
    options.say("stopping the brokers, and reading every replica's files");
    await Promise.all(cluster.ids.map((id) => cluster.stop(id)));
    const copies = scratch("varve-e2e-");
    try {
      for (const broker of cluster.ids) {
        const copy = join(copies.folder, String(broker));
        await cluster.copyData(broker, copy);
        await announceReplicas(recorder, broker, copy, { topic: TOPIC, topicId, partitions });
        rmSync(copy, { recursive: true, force: true });
      }
    } finally {
      copies.remove();
    }
  }

  private note(error: unknown): void {
    const problem = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.problems.push(problem);
    this.options.say(`PROBLEM ${problem}`);
  }

  private judge(history: string): readonly Verdict[] {
    const judgement = checkHistory(linesOf(history));
    if (judgement.kind === "judged") return judgement.verdicts;
    this.problems.push(`${history}:${judgement.line}: ${judgement.problem}`);
    return [];
  }

  private async whole(): Promise<void> {
    await waitUntil("the cluster is whole", WHOLE_MS, async () => {
      const { problems } = await this.varve.admin.clusterHealth();
      const lasting = problems.filter(({ topic }) => topic !== CHURN);
      return lasting.length === 0 || JSON.stringify(lasting.slice(0, 3));
    });
  }
}
