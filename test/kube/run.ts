/**
 * run.ts: runs scenarios, one after the other, on a cluster that it installs, keeps well and removes.
 *
 * Invariants:
 *   R1  a scenario begins with three brokers that are well; a cluster that cannot be mended after one ends the run
 *   R2  whatever a scenario did, the run undoes: dead nodes, cordons, values, namespaces of its own, loads and all that they left
 */
import { join } from "node:path";
import { Helm, type Values } from "./cluster/helm.js";
import { KindNodes } from "./cluster/kind-nodes.js";
import { Kubectl } from "./cluster/kubectl.js";
import { type LoadHandle, type LoadVerdict, planOf } from "./cluster/load-handle.js";
import { TLS_FOLDER, WORK_FOLDER } from "./cluster/load-manifest.js";
import { isReady, takesPods } from "./cluster/objects.js";
import { startPodLoad } from "./cluster/pod-load.js";
import type { World } from "./cluster/runner.js";
import { VarveCluster } from "./cluster/varve-cluster.js";
import type { LoadPlan } from "./load/plan.js";
import { Loads } from "./loads.js";
import type { ScenarioReport } from "./report/report.js";
import type { Context, Facts, OtherCluster, Place, Scenario } from "./scenarios/scenario.js";
import { imageText, type KubeSettings } from "./settings.js";

export interface RunOptions {
  readonly world: World;
  readonly settings: KubeSettings;
  readonly chart: string;
  /** Folder of compiled files, of which the loads' program is made. */
  readonly compiled: string;
  readonly startLocalLoad: (plan: LoadPlan, compiled: string) => Promise<LoadHandle>;
  readonly say: (text: string) => void;
}

const REPLICAS = 3;
/** Each broker has all of a load's 5 MB/s, and what was deleted goes a while later: this is an hour of it. */
const VOLUME = "20Gi";
/** A stop may take as long as its gate and the grace after it, and then there is the volume to be let go of. */
const REMOVE_MINUTES = 10;

export class KubeRun {
  private readonly main: Place;
  private readonly baseline: Values;

  private constructor(
    private readonly options: RunOptions,
    readonly facts: Facts,
  ) {
    const { image, storageClass, namespace } = options.settings;
    this.main = this.placeIn(namespace);
    this.baseline = {
      "image.repository": image.repository,
      "image.tag": image.tag,
      replicas: REPLICAS,
      "storage.size": VOLUME,
      ...(storageClass === null ? {} : { "storage.className": storageClass }),
    };
  }

  /** Looks at the cluster; changes nothing. */
  static async open(options: RunOptions): Promise<KubeRun> {
    const { world, settings } = options;
    const kubectl = new Kubectl(world, settings.namespace);
    const nodes = await kubectl.nodes();
    const { serverVersion } = await kubectl.json<{ readonly serverVersion: { readonly minor: string } }>(["version"]);
    const facts: Facts = {
      settings,
      nodes: await KindNodes.find(world, nodes),
      nodeCount: nodes.filter(takesPods).length,
      minor: Number.parseInt(serverVersion.minor, 10),
    };
    return new KubeRun(options, facts);
  }

  /** Runs them; what cannot run here is skipped with its reason. */
  async run(scenarios: readonly Scenario[]): Promise<readonly ScenarioReport[]> {
    const { say } = this.options;
    const reports: ScenarioReport[] = [];
    let broken: string | null = null;
    for (const scenario of scenarios) {
      const reason: string | null = broken ?? scenario.skip?.(this.facts) ?? null;
      if (reason !== null) {
        say(`${scenario.name}: skipped: ${reason}`);
        reports.push({ ...blank(scenario), outcome: { kind: "skipped", reason } });
        continue;
      }
      say(`${scenario.name}: ${scenario.title}`);
      const report = await this.one(scenario);
      reports.push(report);
      say(
        `${scenario.name}: ${report.outcome.kind}${report.outcome.kind === "failed" ? `: ${report.outcome.why}` : ""}`,
      );
      broken = await this.restore().then(
        () => null,
        (error: unknown) => `the cluster could not be mended after ${scenario.name}: ${error}`,
      );
    }
    return reports;
  }

  /** Removes the run's namespaces. */
  async remove(): Promise<void> {
    await this.removePlace(this.main);
  }

  private async one(scenario: Scenario): Promise<ScenarioReport> {
    const { world, settings } = this.options;
    const loads = new Loads(world, settings.folder, settings.steadyMs);
    const verdicts: LoadVerdict[] = [];
    const notes: string[] = [];
    const context = this.contextOf(scenario, loads, notes, verdicts);
    const beganMs = world.nowMs();
    let why: string | null = null;
    try {
      if (scenario.underLoad !== false) {
        await this.restore();
        await loads.add(await this.startLoad(this.main, null));
      }
      await scenario.run(context);
      verdicts.push(...(await loads.judge(scenario.name)));
      const problems = verdicts.flatMap((verdict) => verdict.problems.map((problem) => `${verdict.load}: ${problem}`));
      if (problems.length > 0) why = problems.join("; ");
    } catch (error) {
      why = error instanceof Error ? error.message : String(error);
    } finally {
      await loads.remove().catch((error: unknown) => this.options.say(`a load was left behind: ${error}`));
    }
    const report = { ...blank(scenario), rows: loads.rows, notes, verdicts };
    const seconds = (world.nowMs() - beganMs) / 1_000;
    return { ...report, outcome: why === null ? { kind: "passed", seconds } : { kind: "failed", why, seconds } };
  }

  private contextOf(scenario: Scenario, loads: Loads, notes: string[], verdicts: LoadVerdict[]): Context {
    const { world, say, settings, compiled, startLocalLoad } = this.options;
    const stepOn =
      (on: Loads, place: Place): Context["step"] =>
      (name, target, act, brokers = REPLICAS, pods = brokers) => {
        say(`  ${name}`);
        return on.step(name, target, async () => {
          await act();
          await place.cluster.whenWhole(brokers, pods);
        });
      };
    return {
      ...this.facts,
      ...this.main,
      world,
      baseline: this.baseline,
      say,
      note: (text) => {
        notes.push(text);
        say(`  ${text}`);
      },
      step: stepOn(loads, this.main),
      loadNode: () => loads.node,
      victim: () => this.victim(loads),
      addOutsideLoad: async (bootstrap) => {
        const plan = planOf({ bootstrap, folder: settings.folder });
        await loads.add(await startLocalLoad(plan, compiled));
      },
      underLoad: async (other, work) => {
        const own = new Loads(world, settings.folder, settings.steadyMs);
        try {
          await own.add(await this.startLoad(other.place, other.tlsSecret));
          await work({ step: stepOn(own, other.place) });
          verdicts.push(...(await own.judge(scenario.name)));
        } finally {
          loads.rows.push(...own.rows);
          await own.remove();
        }
      },
      inNamespace: async (suffix, work) => {
        const place = this.placeIn(`${settings.namespace}-${suffix}`);
        await this.removePlace(place);
        await place.kubectl.makeNamespace();
        try {
          await work(place);
        } finally {
          await this.removePlace(place);
        }
      },
    };
  }

  private placeIn(namespace: string): Place {
    const { world, chart } = this.options;
    const kubectl = new Kubectl(world, namespace);
    const helm = new Helm(world, chart, namespace);
    return { kubectl, helm, cluster: new VarveCluster(kubectl, helm) };
  }

  /** Three brokers with the baseline's values, on nodes that take pods (R1, R2); made anew, if need be. */
  private async restore(): Promise<void> {
    try {
      await this.mend();
    } catch (error) {
      this.options.say(`the cluster cannot be mended and is made anew: ${error}`);
      await this.removePlace(this.main);
      await this.mend();
    }
  }

  private async mend(): Promise<void> {
    const { kubectl, helm, cluster } = this.main;
    for (const node of await kubectl.nodes()) {
      if (!isReady(node)) await this.facts.nodes?.start(node.metadata.name);
      if (node.spec.unschedulable === true) await kubectl.run(["uncordon", node.metadata.name]);
    }
    await kubectl.makeNamespace();
    // What a failed scenario left may hold more brokers than are wanted; the guard would refuse to take them away.
    await helm.setTo({ ...this.baseline, "scaleGuard.enabled": false });
    // Between two pods of a roll all of them are ready; whoever began then would measure the roll.
    await cluster.rolledOut();
    await cluster.whenWhole(REPLICAS);
    await cluster.forgetLoads();
    await cluster.forgetVolumes(REPLICAS);
    await helm.setTo(this.baseline);
  }

  private async victim(loads: Loads): Promise<number> {
    const { spec } = await this.main.cluster.pod(2);
    if (spec.nodeName !== loads.node) return 2;
    const other = await this.main.cluster.pod(1);
    return other.spec.nodeName !== loads.node ? 1 : 2;
  }

  private startLoad({ kubectl }: OtherCluster["place"], tlsSecret: string | null): Promise<LoadHandle> {
    const { settings, compiled } = this.options;
    const tls = {
      caFile: join(TLS_FOLDER, "ca.crt"),
      certFile: join(TLS_FOLDER, "tls.crt"),
      keyFile: join(TLS_FOLDER, "tls.key"),
      serverName: "varve",
    };
    const bootstrap = `varve.${kubectl.namespace}.svc:7650`;
    const plan = planOf({ bootstrap, folder: WORK_FOLDER, tls: tlsSecret === null ? null : tls });
    return startPodLoad(kubectl, { name: "varve-load", image: imageText(settings.image), compiled, plan, tlsSecret });
  }

  private async removePlace({ kubectl, helm }: Place): Promise<void> {
    await helm.uninstall();
    const args = ["delete", "namespace", kubectl.namespace, "--ignore-not-found", `--timeout=${REMOVE_MINUTES}m`];
    await kubectl.run(args, { timeoutMs: REMOVE_MINUTES * 60_000 + 30_000 });
  }
}

function blank({ id, name, title }: Scenario): Omit<ScenarioReport, "outcome"> {
  return { id, name, title, rows: [], notes: [], verdicts: [] };
}
