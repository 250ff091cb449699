/**
 * fake-world.ts: a World without programs: `kubectl`, `helm` and `docker` are answered by a made-up cluster, time passes when somebody waits. Commands
 * that nobody expected fail, so that a misspelt one is found.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import type { RunOptions, RunResult, World } from "../cluster/runner.js";
import { FakeCluster, type FakeRelease, type Flaws } from "./fake-cluster.js";
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
    if (program === "bash") return ok(String(rest[1]).includes("consume") ? "hello\n" : "");
    if (program === "docker") return this.docker(rest);
    const [flag, namespace = "", ...args] = rest;
    if (flag !== "--namespace") return bad(`no namespace: ${argv.join(" ")}`);
    const release = this.cluster.release(namespace);
    if (program === "helm") return this.helm(release, args);
    if (program === "kubectl") return this.kubectl(release, args, options);
    return bad(`unexpected: ${argv.join(" ")}`);
  }

  private async helm(release: FakeRelease, args: readonly string[]): Promise<RunResult> {
    const [verb] = args;
    const { set, flags } = optionsOf(args);
    if (verb === "uninstall") release.pods = [];
    if (verb === "get") return ok(NOTES.replaceAll("NAMESPACE", release.namespace));
    if (verb === "rollback") release.set(release.earlier.at(-1) ?? {});
    if (verb === "install" || verb === "upgrade") {
      const values = flags.has("--reuse-values") ? { ...release.values, ...set } : set;
      const wanted = Number(values["replicas"] ?? 3);
      const inTheWay = [...release.members].filter((id) => id > wanted);
      const asks = values["scaleGuard.enabled"] !== "false" && wanted < release.pods.length;
      if (asks && inTheWay.length > 0 && this.cluster.flaws.guardSleeps !== true)
        return bad("UPGRADE FAILED: pre-upgrade hooks failed: job failed: BackoffLimitExceeded");
      release.set(values);
      if (flags.has("--wait") && !(await this.rests(release))) return bad("timed out waiting for the condition");
    }
    return ok();
  }

  private docker(args: readonly string[]): RunResult {
    const [verb, ...rest] = args;
    if (verb === "kill") this.cluster.down.add(rest[0] ?? "");
    if (verb === "start") this.cluster.down.delete(rest[0] ?? "");
    if (verb === "exec" && rest.includes("crictl"))
      for (const release of this.cluster.releases.values())
        for (const pod of release.pods)
          if (rest.includes(`c${pod.uid}`)) {
            pod.restarts += 1;
            pod.readyAtMs = this.cluster.nowMs + 2_000;
          }
    return ok(rest.includes("find") ? "/sys/fs/cgroup/x\n" : "device\n");
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
    if (verb === "logs") return ok("first: varve broker decommission 5 --progress\n");
    if (verb === "kustomize") return ok("kind: StatefulSet\n        image: varve:0.1.0\n");
    return verb === "uncordon" ? ok() : bad(`unexpected: kubectl ${args.join(" ")}`);
  }

  private get(release: FakeRelease, what: string, rest: readonly string[]): RunResult {
    const [name = ""] = rest;
    if (what === "nodes") return json({ items: this.cluster.nodes() });
    if (what === "pods") return json({ items: release.pods.map((pod) => release.podOf(pod)) });
    if (what === "pod" && name.startsWith("varve-load"))
      return json({ metadata: { name }, spec: { nodeName: "kind-control-plane", containers: [] }, status: {} });
    const pod = release.pods.find(({ ordinal }) => name === `varve-${ordinal}`);
    if (what === "pod" && pod !== undefined) return json(release.podOf(pod));
    if (what === "pvc" && name === "-o") return ok([...release.claims.keys()].map((at) => `pvc/${at}\n`).join(""));
    const uid = release.claims.get(Number(name.split("-").at(-1)));
    if (what === "pvc" && uid !== undefined)
      return json({ metadata: { name, uid }, spec: { volumeName: `pv-of-${uid}` } });
    if (what === "--raw") return ok(metricsWith(release.certificateEnds));
    return bad(`not found: ${what} ${name}`);
  }

  private apply(release: FakeRelease, manifest: string): RunResult {
    this.cluster.applied.push(manifest);
    if (manifest.includes("StatefulSet")) release.set({ replicas: "3" });
    if (manifest.includes('"Secret"')) {
      release.certificateEnds += 500;
      if (this.cluster.flaws.restartsForCertificates) for (const pod of release.pods) pod.restarts += 1;
    }
    return ok();
  }

  private delete(release: FakeRelease, what: string, rest: readonly string[]): RunResult {
    const names = noOptions(rest);
    if (what === "namespace") this.cluster.releases.delete(release.namespace);
    if (what === "pods") for (const { ordinal } of [...release.pods]) release.replace(ordinal);
    for (const name of names) {
      const ordinal = Number(name.split("-").at(-1));
      if (what === "pvc") release.loseVolume(ordinal);
      if (what === "pod" && !name.startsWith("varve-load")) release.replace(ordinal);
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

  private exec(release: FakeRelease, pod: string, command: readonly string[], options: RunOptions): RunResult {
    if (pod.startsWith("varve-load")) return this.load(command.slice(2), options);
    const [, group, verb, ...rest] = command;
    const said = `${group} ${verb}`;
    if (said === "cluster health") {
      const health = release.health();
      return health === true ? ok("healthy") : bad(health);
    }
    if (said === "cluster features") return json({ level: release.level });
    if (said === "cluster finalize") release.level += 1;
    if (said === "cluster rebalance" && rest.includes("--dry-run"))
      return json({ moves: release.isBalanced ? [] : [{}, {}] });
    if (said === "cluster rebalance") release.isBalanced = true;
    if (said === "broker replace") release.accept(Number(rest[0]));
    if (said === "broker decommission") release.leave(Number(rest[0]));
    return ok();
  }

  private load([method, path]: readonly string[], { stdoutFile }: RunOptions): RunResult {
    const { gapMs = 200, losesRecords } = this.cluster.flaws;
    if (path === "/history" && stdoutFile !== undefined) {
      writeFileSync(stdoutFile, gzipSync(losesRecords ? LOST : GOOD));
      return ok();
    }
    const gaps = Array.from({ length: PARTITIONS }, (_, partition) => ({ partition, ms: gapMs + partition }));
    const status = { acknowledged: 5_000, failed: 0, unknown: 0, gaps };
    return json(method === "POST" && path === "/stop" ? { ...status, events: 10, problems: [] } : status);
  }
}

function metricsWith(end: number): string {
  const name = "varve_tls_certificate_expiry_timestamp_seconds";
  return ["clients", "peers"].map((listener) => `${name}{listener="${listener}",certificate="own"} ${end}\n`).join("");
}
