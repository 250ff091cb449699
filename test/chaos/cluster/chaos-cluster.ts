/**
 * chaos-cluster.ts: broker processes that a nemesis breaks, with the network between them: where they are, whether they run, their signals.
 *
 * States of a broker: running <-> frozen; running or frozen -> dead -> running.
 * Invariants:
 *   C1  `stop` leaves no process, whatever state each was in: a frozen one is thawed or killed first
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assertDefined } from "@varve/base";
import type { Prng } from "@varve/base/testing";
import { type BrokerPlace, BrokerProcess, bootstrapOf, findFreePorts, placeBrokers } from "varve";
import { brokenEnv, type Variant } from "../broken/variants.js";
import { waitUntil } from "../clock.js";
import { writeBrokerConfig } from "./broker-config.js";
import type { Fabric } from "./fabric.js";
import { Namespaces } from "./namespaces.js";
import { Network } from "./network.js";
import { Libraries, type Power, Sabotage } from "./sabotage.js";

const READY_MS = 60_000;
const STOP_GRACE_MS = 15_000;

type State = "running" | "frozen" | "dead";

class Member {
  readonly place: BrokerPlace;
  readonly sabotage: Sabotage;
  process: BrokerProcess;
  state: State = "running";

  constructor(process: BrokerProcess, sabotage: Sabotage) {
    this.place = process.place;
    this.process = process;
    this.sabotage = sabotage;
  }
}

export interface ChaosClusterOptions {
  readonly brokers: number;
  /** What the faults of the run do from inside the processes. */
  readonly powers: readonly Power[];
  /** Draws what slow and lossy links do. */
  readonly prng: Prng;
  /** Whether each broker has a network namespace of its own. */
  readonly namespaces: boolean;
  /** How the brokers are broken on purpose. */
  readonly broken: readonly Variant[];
}

export class ChaosCluster {
  readonly folder: string;
  readonly bootstrap: string;
  readonly network: Fabric;
  private readonly members = new Map<number, Member>();
  private readonly broken: readonly Variant[];
  private isStopping = false;

  private constructor(folder: string, network: Fabric, broken: readonly Variant[]) {
    this.folder = folder;
    this.bootstrap = bootstrapOf(network.outer);
    this.network = network;
    this.broken = broken;
  }

  /** Starts brokers on free ports; resolves when all are ready. */
  static async start(options: ChaosClusterOptions): Promise<ChaosCluster> {
    const { brokers, powers, prng } = options;
    const folder = mkdtempSync(join(tmpdir(), "varve-chaos-"));
    const libraries = Libraries.build(folder, powers);
    const network = options.namespaces ? new Namespaces(folder, brokers) : await proxied(folder, brokers, prng);
    const { outer, inner } = network;
    const cluster = new ChaosCluster(folder, network, options.broken);
    try {
      await network.open();
      for (const place of inner) {
        writeBrokerConfig(place, outer);
        const sabotage = new Sabotage(libraries, join(folder, `sabotage-${place.id}`));
        const process = await cluster.startProcess(place, sabotage);
        cluster.members.set(place.id, new Member(process, sabotage));
        void network.setAlive(place.id, true);
      }
      await Promise.all([...cluster.members.values()].map(({ process }) => process.ready(READY_MS)));
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  get ids(): readonly number[] {
    return [...this.members.keys()];
  }

  dataDirOf(id: number): string {
    return this.member(id).place.dataDir;
  }

  pidOf(id: number): number {
    return this.member(id).process.pid;
  }

  /** Where the broker itself listens for clients. */
  grpcOf(id: number): string {
    return this.member(id).place.grpc;
  }

  stateOf(id: number): State {
    return this.member(id).state;
  }

  /** kill -9; resolves when the process is gone. */
  async kill(id: number): Promise<void> {
    const member = this.member(id);
    member.state = "dead";
    // First, so that peers whose connections break are refused when they dial again, as by a machine whose process is gone.
    await this.network.setAlive(id, false);
    member.process.kill("SIGKILL");
    await member.process.ended;
  }

  /** What can be done to the process from inside. */
  sabotageOf(id: number): Sabotage {
    return this.member(id).sabotage;
  }

  /** The broker is expected to end by itself. @throws Error when it lives on. */
  async endsItself(id: number, deadlineMs: number): Promise<void> {
    const member = this.member(id);
    member.state = "dead";
    await waitUntil(`broker ${id} ends by itself`, deadlineMs, async () => !member.process.isRunning || "it lives");
    await this.network.setAlive(id, false);
  }

  /** SIGTERM, as an operator stops it; resolves when the process is gone. */
  async stopOne(id: number): Promise<void> {
    const member = this.member(id);
    member.state = "dead";
    await member.process.stop(STOP_GRACE_MS);
    await this.network.setAlive(id, false);
  }

  freeze(id: number): void {
    const member = this.member(id);
    member.process.kill("SIGSTOP");
    member.state = "frozen";
  }

  thaw(id: number): void {
    const member = this.member(id);
    if (member.state !== "frozen") return;
    member.process.kill("SIGCONT");
    member.state = "running";
  }

  /** Starts a dead broker on its old data; does not wait until it is ready. */
  async restart(id: number): Promise<void> {
    const member = this.member(id);
    if (this.isStopping) return;
    member.process = await this.startProcess(member.place, member.sabotage);
    member.state = "running";
    void this.network.setAlive(id, true);
    if (this.isStopping) member.process.kill("SIGKILL");
  }

  async ready(id: number): Promise<void> {
    await this.member(id).process.ready(READY_MS);
  }

  /** Brings everybody back: heals the network, thaws, starts again. */
  async mend(): Promise<void> {
    await this.network.heal();
    for (const id of this.ids) {
      this.sabotageOf(id).end();
      this.thaw(id);
      if (this.stateOf(id) === "dead") await this.restart(id);
    }
    await Promise.all(this.ids.map((id) => this.ready(id)));
  }

  /** Brokers that ended although nobody killed them, with how. */
  unexpectedEnds(): string[] {
    return [...this.members.values()]
      .filter(({ state, process }) => state === "running" && !process.isRunning)
      .map(({ place }) => `broker ${place.id} ended by itself; see ${place.logFile}`);
  }

  /** Ends all processes; their files stay. */
  async stop(): Promise<void> {
    this.isStopping = true;
    for (const id of this.ids) {
      this.sabotageOf(id).end();
      this.thaw(id);
    }
    await Promise.all([...this.members.values()].map(({ process }) => process.stop(STOP_GRACE_MS)));
    this.network.close();
  }

  /** kill -9 to whatever runs, without waiting; for the last moment of this process. */
  killAll(): void {
    this.isStopping = true;
    for (const { process } of this.members.values()) process.kill("SIGKILL");
  }

  removeFiles(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  private startProcess(place: BrokerPlace, sabotage: Sabotage): Promise<BrokerProcess> {
    const env = { ...sabotage.env(), ...brokenEnv(this.broken) };
    return BrokerProcess.start(place, env, this.network.launcher(place.id));
  }

  private member(id: number): Member {
    return assertDefined(this.members.get(id), "a fault names a broker of the cluster");
  }
}

/** Proxies, on ports that are free. */
async function proxied(folder: string, brokers: number, prng: Prng): Promise<Network> {
  const ports = await findFreePorts(2 * brokers);
  return new Network(placeBrokers(folder, ports.slice(0, brokers)), placeBrokers(folder, ports.slice(brokers)), prng);
}
