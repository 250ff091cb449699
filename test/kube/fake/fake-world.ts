/**
 * fake-world.ts: a World without programs: `kubectl`, `helm` and `docker` are answered by a made-up cluster, time passes when somebody waits. Commands
 * that nobody expected fail, so that a misspelt one is found.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { LoadHandle } from "../cluster/load-handle.js";
import type { RunOptions, RunResult, World } from "../cluster/runner.js";
import type { LoadPlan } from "../load/plan.js";
import { containerOf, FakeCluster, type FakeRelease, type Flaws } from "./fake-cluster.js";
import { noOptions, optionsOf } from "./options.js";

const COMMAND_MS = 200;
const REST_MS = 900_000;
const PARTITIONS = 6;
const NOTES = readFileSync(new URL("./notes.txt", import.meta.url), "utf8");
const GOOD = readFileSync(new URL("../../chaos/history/examples/good.jsonl", import.meta.url));
const LOST = readFileSync(new URL("../../chaos/history/examples/k1-lost-write.jsonl", import.meta.url));

const ok = (stdout = ""): RunResult => ({ code: 0, stdout, stderr: "" });
const bad = (stderr: string): RunResult => ({ code: 1, stdout: "", stderr });
const json = (value: unknown): RunResult => ok(JSON.stringify(value));

export class FakeWorld implements World {
  readonly cluster: FakeCluster;
  /** Every command, in order. */
  readonly commands: string[] = [];
  /** Loads that began, and faults that were told to one, while pods were still to be replaced for another reason. */
  readonly disturbed: string[] = [];
  /** Rules by which nodes drop packets. */
  readonly cut = new Set<string>();
  /** What a load that ended at once had to say. */
  private lastWords = "";
  /** Histories that broke off. */
  private brokenOff = 0;

  constructor(flaws: Flaws = {}) {
    this.cluster = new FakeCluster(flaws);
  }

  nowMs(): number {
    return this.cluster.nowMs;
  }

  /** Others get their turn: some look at the cluster while something is done to it. */
  async pause(ms: number): Promise<void> {
    this.cluster.advance(ms);
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** @returns whether it came to rest in time. */
  private async rests(release: FakeRelease): Promise<boolean> {
    const endMs = this.cluster.nowMs + REST_MS;
    while (release.isRolling && this.cluster.nowMs < endMs) await this.pause(COMMAND_MS);
    return !release.isRolling;
  }

  async run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    this.commands.push(argv.join(" "));
    this.cluster.advance(COMMAND_MS);
    const [program, ...rest] = argv;
    if (program === "bash") return this.shell(rest);
    if (program === "docker") return this.docker(rest);
    const [flag, namespace = "", ...args] = rest;
    if (flag !== "--namespace") return bad(`no namespace: ${argv.join(" ")}`);
    const release = this.cluster.release(namespace);
    if (program === "helm") return this.helm(release, args);
    if (program === "kubectl") return this.kubectl(release, args, options);
    return bad(`unexpected: ${argv.join(" ")}`);
  }

  /** A load on this machine, on the brokers of a namespace. */
  async startLocalLoad(namespace: string, plan: LoadPlan): Promise<LoadHandle> {
    const release = this.cluster.release(namespace);
    const name = "outside";
    const ended = this.beginLoad(release, name, plan);
    if (ended !== null) throw new Error(ended);
    return new LoadHandle({
      name,
      node: null,
      ask: async (asked, options) => {
        const { code, stdout, stderr } = this.load(release, name, asked, options);
        if (code !== 0) throw new Error(stderr);
        return stdout;
      },
      remove: async () => release.loads.end(name),
    });
  }

  /** A command as NOTES print it: `[echo TEXT |] PROGRAM -n NAMESPACE ...`. */
  private shell([flag, command = ""]: readonly string[]): Promise<RunResult> | RunResult {
    const [, text, program = "", namespace = "", rest = ""] =
      /^(?:echo (\w+) \| )?(kubectl|helm) -n (\S+) (.*)$/.exec(command) ?? [];
    if (flag !== "-c" || rest === "") return bad(`unexpected: bash ${flag} ${command}`);
    const isRead = text === undefined || rest.startsWith("exec -i ");
    const argv = [program, "--namespace", namespace, ...rest.replace("exec -i ", "exec ").split(" ")];
    return this.run(argv, text === undefined ? {} : { input: isRead ? `${text}\n` : "" });
  }

  private async helm(release: FakeRelease, args: readonly string[]): Promise<RunResult> {
    const [verb] = args;
    const { set, flags, problems } = optionsOf(args);
    if (problems.length > 0)
      return bad(`values don't meet the specifications of the schema(s): ${problems.join("; ")}`);
    if (verb === "uninstall") release.pods = [];
    else if (verb === "get") return ok(NOTES.replaceAll("NAMESPACE", release.namespace));
    else if (verb === "rollback") release.set(release.earlier.at(-1) ?? {});
    else if (verb === "install" || verb === "upgrade") {
      const values = flags.has("--reuse-values") ? { ...release.values, ...set } : set;
      const wanted = Number(values["replicas"] ?? 3);
      const inTheWay = [...release.members].filter((id) => id > wanted);
      const asks = values["scaleGuard.enabled"] !== "false" && wanted < release.pods.length;
      if (asks && inTheWay.length > 0 && this.cluster.flaws.guardSleeps !== true)
        return bad("UPGRADE FAILED: pre-upgrade hooks failed: job failed: BackoffLimitExceeded");
      release.set(values);
      if (flags.has("--wait") && !(await this.rests(release))) return bad("timed out waiting for the condition");
    } else if (verb !== "test") return bad(`unexpected: helm ${args.join(" ")}`);
    return ok();
  }

  private docker(args: readonly string[]): RunResult {
    const [verb, ...rest] = args;
    const { cluster } = this;
    if (verb === "inspect") return ok();
    if (verb === "kill") cluster.down.set(rest[0] ?? "", cluster.nowMs);
    else if (verb === "start") {
      for (const node of rest) cluster.down.delete(node);
      for (const [release, pod] of cluster.on(rest)) release.restartNodeOf(pod);
    } else if (verb === "restart") for (const [release, pod] of cluster.on(rest)) release.restartNodeOf(pod);
    else if (verb === "exec") return this.onNode(rest);
    else return bad(`unexpected: docker ${args.join(" ")}`);
    return ok();
  }

  private onNode([node = "", program, ...rest]: readonly string[]): RunResult {
    if (this.cluster.down.has(node)) return bad(`container ${node} is not running`);
    if (program === "crictl")
      for (const [, pod] of this.cluster.on([node]))
        if (rest.includes(containerOf(pod))) {
          pod.restarts += 1;
          pod.readyAtMs = this.cluster.nowMs + 2_000;
        }
    if (program === "iptables") return this.filter(node, rest);
    return ok(program === "find" ? "/sys/fs/cgroup/x\n" : "8:0\n");
  }

  /** Rules of a node's chain: what is not there cannot be taken away. */
  private filter(node: string, [how, ...rule]: readonly string[]): RunResult {
    const text = [node, ...rule].join(" ");
    if (how === "-I") this.cut.add(text);
    else if (!this.cut.delete(text)) return bad("iptables: Bad rule (does a matching rule exist in that chain?).");
    return ok();
  }

  private async kubectl(release: FakeRelease, args: readonly string[], options: RunOptions): Promise<RunResult> {
    const [verb = "", what = "", ...rest] = args;
    if (verb === "get") return this.get(release, what, rest);
    if (verb === "version") return json({ serverVersion: { major: "1", minor: "33" } });
    if (verb === "apply") return this.apply(release, options.input ?? "");
    if (verb === "delete") return this.delete(release, what, rest);
    if (verb === "exec") return this.exec(release, what, rest.slice(1), options);
    if (verb === "rollout") return this.rollout(release, what);
    if (verb === "uncordon") this.cluster.cordoned.delete(what);
    if (verb === "uncordon") for (const pod of release.pods) this.settle(pod);
    if (verb === "set") release.setMemory(rest.find((arg) => arg.startsWith("--limits=memory="))?.split("=")[2] ?? "");
    if (verb === "set") return ok();
    if (verb === "drain") return this.drain(release, what);
    if (verb === "scale") return bad("Forbidden: first: varve broker decommission ID --progress");
    if (verb === "logs" && what.startsWith("varve-load")) return ok(this.lastWords);
    if (verb === "logs") return ok("first: varve broker decommission 5 --progress\n");
    if (verb === "kustomize") return ok("kind: StatefulSet\n        image: varve:0.1.0\n");
    return verb === "uncordon" ? ok() : bad(`unexpected: kubectl ${args.join(" ")}`);
  }

  private get(release: FakeRelease, what: string, rest: readonly string[]): RunResult {
    const [name = ""] = rest;
    if (what === "nodes") return json({ items: this.cluster.nodes() });
    if (what === "pods") return json({ items: release.visible.map((pod) => release.podOf(pod)) });
    if (what === "pod" && name.startsWith("varve-load"))
      return json({ metadata: { name }, spec: { nodeName: "kind-control-plane", containers: [] }, status: {} });
    const pod = release.visible.find(({ ordinal }) => name === `varve-${ordinal}`);
    if (what === "pod" && pod !== undefined) return json(release.podOf(pod));
    const claims = [...release.claims.keys()].map((at) => `data-varve-${at}`);
    if (what === "pvc" && name === "-o") return ok(claims.map((claim) => `persistentvolumeclaim/${claim}\n`).join(""));
    if (what === "pvc" && name === "-l") return json({ items: claims.map((claim) => ({ metadata: { name: claim } })) });
    const uid = release.claims.get(Number(name.split("-").at(-1)));
    if (what === "pvc" && uid !== undefined)
      return json({ metadata: { name, uid }, spec: { volumeName: `pv-of-${uid}` } });
    return bad(`not found: ${what} ${name}`);
  }

  private apply(release: FakeRelease, manifest: string): RunResult {
    this.cluster.applied.push(manifest);
    if (manifest.includes("StatefulSet")) release.set({ replicas: "3" });
    const plan = planIn(manifest);
    if (plan !== null) this.lastWords = this.beginLoad(release, "varve-load", plan) ?? "";
    if (manifest.includes('"Secret"')) {
      release.certificateEnds += 500;
      if (this.cluster.flaws.restartsForCertificates) for (const pod of release.pods) pod.restarts += 1;
    }
    return ok();
  }

  private beginLoad(release: FakeRelease, name: string, plan: LoadPlan): string | null {
    if (release.isMidRoll) this.disturbed.push(`${name} began`);
    return release.loads.begin(name, plan);
  }

  private delete(release: FakeRelease, what: string, rest: readonly string[]): RunResult {
    const names = noOptions(rest);
    if (what === "namespace") this.cluster.releases.delete(release.namespace);
    if (what === "pods") for (const { ordinal } of [...release.pods]) release.replace(ordinal);
    if (!["namespace", "pods", "pod", "pvc", "pv", "configmap"].includes(what))
      return bad(`unexpected: delete ${what}`);
    for (const name of names) {
      const ordinal = Number(name.split("-").at(-1));
      const pod = release.visible.find((each) => each.ordinal === ordinal);
      const isThere = what === "pod" ? pod !== undefined : what !== "pvc" || release.claims.has(ordinal);
      if (name === "varve-load") release.loads.end(name);
      else if (!isThere && !rest.includes("--ignore-not-found"))
        return bad(`Error from server (NotFound): ${what} ${name}`);
      else if (what === "pvc" && pod !== undefined && !rest.includes("--wait=false")) return bad("it is in use");
      else if (what === "pvc") release.loseVolume(ordinal);
      else if (what === "pod") release.replace(ordinal);
    }
    return ok();
  }

  private async rollout(release: FakeRelease, what: string): Promise<RunResult> {
    if (what === "restart") release.restart();
    const isOver = what !== "status" || (await this.rests(release));
    return isOver ? ok() : bad("timed out waiting for the condition");
  }

  private drain(release: FakeRelease, node: string): RunResult {
    this.cluster.cordoned.add(node);
    const isWhole = release.pods.every((pod) => release.isReady(pod));
    if (!isWhole && this.cluster.flaws.budgetSleeps !== true)
      return bad("Cannot evict pod as it would violate the pod's disruption budget.");
    for (const pod of [...release.pods]) if (pod.node === node) release.replace(pod.ordinal);
    return ok();
  }

  private settle(pod: FakeRelease["pods"][number]): void {
    if (!pod.homeless || this.cluster.cordoned.has(pod.node)) return;
    pod.homeless = false;
    pod.readyAtMs = this.cluster.nowMs + 2_000;
  }

  private exec(release: FakeRelease, name: string, command: readonly string[], options: RunOptions): RunResult {
    if (name === "varve-load") return this.load(release, name, command.slice(2), options);
    const pod = release.visible.find(({ ordinal }) => name === `varve-${ordinal}`);
    if (pod === undefined || !release.isRunning(pod)) return bad(`unable to upgrade connection: container of ${name}`);
    const [program, ...args] = command;
    if (program === "node" && args.join(" ").includes("/metrics")) return ok(metricsWith(release.certificateEnds));
    return program === "varve" ? this.varve(release, args, options) : bad(`unexpected: ${command.join(" ")}`);
  }

  private varve(release: FakeRelease, args: readonly string[], { input }: RunOptions): RunResult {
    const [group = "", verb, ...rest] = args;
    const [name = ""] = rest;
    const { loads } = release;
    const isForgetful =
      this.cluster.flaws.forgetsIn !== undefined && release.namespace.includes(this.cluster.flaws.forgetsIn);
    const health = release.health();
    switch (`${group} ${["produce", "consume"].includes(group) ? "" : verb}`.trim()) {
      case "cluster health":
        return health === true ? ok("healthy") : bad(health);
      case "cluster features":
        return json({ level: release.level });
      case "cluster finalize":
        release.level += 1;
        return ok();
      case "cluster rebalance":
        if (rest.includes("--dry-run")) return json({ moves: release.isBalanced ? [] : [{}, {}] });
        release.isBalanced = true;
        return ok();
      case "broker replace":
        release.accept(Number(name));
        return ok();
      case "broker decommission":
        release.leave(Number(name));
        return ok();
      case "topic create":
        loads.topics.set(name, []);
        return ok();
      case "topic list":
        return json([...loads.topics.keys()].map((topic) => ({ topic })));
      case "topic delete":
        return loads.topics.delete(name) ? ok() : bad(`topic ${name} does not exist`);
      case "group list":
        return json(loads.groups().map((each) => ({ group: each })));
      case "group delete": {
        const why = loads.deleteGroup(name);
        return why === null ? ok() : bad(why);
      }
      case "produce":
        loads.topics.get(verb ?? "")?.push(input ?? "");
        return loads.topics.has(verb ?? "") ? ok() : bad(`topic ${verb} does not exist`);
      case "consume":
        return ok(isForgetful ? "" : (loads.topics.get(verb ?? "") ?? []).join(""));
      default:
        return bad(`unexpected: varve ${args.join(" ")}`);
    }
  }

  private load(
    release: FakeRelease,
    name: string,
    [method, path]: readonly string[],
    { stdoutFile }: RunOptions,
  ): RunResult {
    const { gapMs = 200, losesRecords } = this.cluster.flaws;
    const problems = release.loads.problemsOf(name);
    if (problems === null) return bad(`container of ${name} is not running`);
    if (path === "/history" && stdoutFile !== undefined) {
      const history = gzipSync(losesRecords ? LOST : GOOD);
      const breaksOff = this.brokenOff < (this.cluster.flaws.breaksOff ?? 0);
      if (breaksOff) this.brokenOff += 1;
      writeFileSync(stdoutFile, breaksOff ? history.subarray(0, history.length / 2) : history);
      return ok();
    }
    if (path === "/begin" && release.isMidRoll) this.disturbed.push(`${name} was told of a fault`);
    const gaps = Array.from({ length: PARTITIONS }, (_, partition) => ({ partition, ms: gapMs + partition }));
    const status = { acknowledged: 5_000, failed: 0, unknown: 0, gaps };
    return json(method === "POST" && path === "/stop" ? { ...status, events: 10, problems } : status);
  }
}

/** The plan of the load's pod; null: the manifest has none. */
function planIn(manifest: string): LoadPlan | null {
  if (!manifest.includes('"LOAD_PLAN"')) return null;
  const { items } = JSON.parse(manifest) as {
    items: { spec?: { containers: { env: { name: string; value: string }[] }[] } }[];
  };
  const env = items.flatMap(({ spec }) => spec?.containers.flatMap((container) => container.env) ?? []);
  return JSON.parse(env.find(({ name }) => name === "LOAD_PLAN")?.value ?? "null") as LoadPlan | null;
}

function metricsWith(end: number): string {
  const name = "varve_tls_certificate_expiry_timestamp_seconds";
  return ["clients", "peers"].map((listener) => `${name}{listener="${listener}",certificate="own"} ${end}\n`).join("");
}
