/**
 * container-cluster.ts: brokers in containers that scenarios stop, kill, cut off, wipe and exchange: where they are, and whether they run.
 *
 * States of a broker: absent -> running <-> stopped -> absent. Its volume outlives its container and goes only by `wipe` or `dismiss`.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { assertDefined } from "@varve/base";
import { getContainerRuntimeClient, type StartedTestContainer } from "testcontainers";
import { waitUntil } from "../../chaos/clock.js";
import { freePorts } from "../../integration/ports.js";
import { docker, labelOf } from "../engine.js";
import { BrokerContainer, type BrokerPlan, joinPeers, MEMORY_BYTES } from "./broker-container.js";
import type { ClusterCertificates } from "./cluster-certificates.js";

const READY_MS = 120_000;
/** Above the broker's own shutdownGraceMs. */
const STOP_SECONDS = 40;
const COMMAND_MS = 60_000;
/** The gate gives up by itself after 5 min. */
const GATE_MS = 310_000;
const PROBE_MS = 2_000;

interface Member {
  readonly plan: BrokerPlan;
  container: StartedTestContainer;
  /** On this machine; 0: it does not run. */
  pid: number;
  isRunning: boolean;
  isCutOff: boolean;
}

/** What a command in a container printed, and how it ended. */
export interface CommandResult {
  readonly exitCode: number;
  readonly output: string;
}

const TAR_HAS_ENDED: readonly (string | undefined)[] = ["ERR_STREAM_PREMATURE_CLOSE", "EPIPE"];

export class ContainerCluster {
  private readonly members = new Map<number, Member>();
  private readonly plans = new Map<number, BrokerPlan>();

  private constructor(readonly certificates: ClusterCertificates | null) {}

  /**
   * The networks of a cluster of its own, and room for so many brokers.
   * @param certificates null: every link is plain text
   */
  static async create(
    run: string,
    life: string,
    brokersMax: number,
    certificates: ClusterCertificates | null,
  ): Promise<ContainerCluster> {
    const cluster = new ContainerCluster(certificates);
    const prefix = `varve-e2e-${run}-${life}`;
    const labels = labelOf(run);
    const label = Object.entries(labels).map(([name, value]) => `${name}=${value}`)[0] ?? "";
    const peersNetwork = `${prefix}-peers`;
    const clientsNetwork = `${prefix}-clients`;
    docker(["network", "create", "--internal", "--label", label, peersNetwork], COMMAND_MS);
    docker(["network", "create", "--label", label, clientsNetwork], COMMAND_MS);
    const ports = await freePorts(2 * brokersMax);
    for (let id = 1; id <= brokersMax; id++) {
      const [grpcPort = 0, opsPort = 0] = ports.slice(2 * (id - 1));
      const name = `${prefix}-${id}`;
      const networks = { peersNetwork, clientsNetwork };
      cluster.plans.set(id, { id, name, volume: name, grpcPort, opsPort, ...networks, labels, certificates });
    }
    return cluster;
  }

  /** Brokers that have a container, in order. */
  get ids(): readonly number[] {
    return [...this.members.keys()].sort((a, b) => a - b);
  }

  /** The first three brokers, as clients on this machine reach them. */
  get bootstrap(): string {
    return [...this.plans.values()]
      .slice(0, 3)
      .map(({ grpcPort }) => `127.0.0.1:${grpcPort}`)
      .join();
  }

  /** 0: it does not run. */
  pidOf(id: number): number {
    return this.members.get(id)?.pid ?? 0;
  }

  /** A broker in a new container of an image, on its volume, which is made when there is none. */
  async launch(id: number, image: string): Promise<void> {
    const plan = assertDefined(this.plans.get(id), "there is room for the broker");
    const { container } = await getContainerRuntimeClient();
    await container.dockerode.createVolume({ Name: plan.volume, Labels: plan.labels });
    const started = await new BrokerContainer(image, plan).start();
    this.members.set(id, { plan, container: started, pid: 0, isRunning: true, isCutOff: false });
    await this.notePid(id);
  }

  /** Waits until its own probe says that it is ready. */
  async ready(id: number): Promise<void> {
    await waitUntil(`broker ${id} is ready`, READY_MS, async () => {
      const answer = await this.ask(id, "/readyz", PROBE_MS);
      return answer.status === 200 || (await answer.text());
    });
  }

  /** The stop gate, as a pod's preStop hook asks it. A version that has none answers at once. */
  async stopGate(id: number): Promise<void> {
    await (await this.ask(id, "/prestop", GATE_MS)).text();
  }

  /** SIGTERM; resolves when the process is gone. @throws Error when it did not end with 0. */
  async stop(id: number): Promise<void> {
    const member = this.member(id);
    member.isRunning = false;
    const container = await this.containerOf(id);
    await container.stop({ t: STOP_SECONDS });
    member.pid = 0;
    const { ExitCode } = (await container.inspect()).State;
    if (ExitCode !== 0) throw new Error(`broker ${id} ended with ${ExitCode} after SIGTERM: ${await this.logOf(id)}`);
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill(id: number): Promise<void> {
    const member = this.member(id);
    member.isRunning = false;
    const container = await this.containerOf(id);
    const gone = container.wait();
    await container.kill({ signal: "SIGKILL" });
    await gone;
    member.pid = 0;
  }

  /** Starts a stopped container again; does not wait until its broker is ready. */
  async start(id: number): Promise<void> {
    await (await this.containerOf(id)).start();
    this.member(id).isRunning = true;
    await this.notePid(id);
  }

  /** Gives a stopped broker so much memory, and no swap, from its next start on; null: as much as the others have. */
  async limitMemory(id: number, bytes: number | null): Promise<void> {
    const memory = bytes ?? MEMORY_BYTES;
    await (await this.containerOf(id)).update({ Memory: memory, MemorySwap: memory });
  }

  /** Starts a stopped broker that must fail by itself. @returns how it ended. @throws Error when it lives on, or ends with 0. */
  async startInVain(id: number): Promise<string> {
    const container = await this.containerOf(id);
    await container.start();
    let livesOn = false;
    const deadline = setTimeout(() => {
      livesOn = true;
      void container.kill({ signal: "SIGKILL" });
    }, READY_MS);
    await container.wait();
    clearTimeout(deadline);
    const { ExitCode, OOMKilled } = (await container.inspect()).State;
    if (livesOn || ExitCode === 0) throw new Error(`broker ${id} did not fail${livesOn ? "" : ", it ended with 0"}`);
    return `ended with ${ExitCode}${OOMKilled ? ", out of memory" : ""}`;
  }

  /** A stopped broker's container gives way to one of another image, on the same volume. */
  async exchange(id: number, image: string): Promise<void> {
    await (await this.containerOf(id)).remove();
    await this.launch(id, image);
  }

  /** Removes a stopped broker's container and its volume with it. */
  async dismiss(id: number): Promise<void> {
    await (await this.containerOf(id)).remove();
    this.members.delete(id);
    docker(["volume", "rm", assertDefined(this.plans.get(id), "a broker has a plan").volume], COMMAND_MS);
  }

  /** Takes a broker off the private network: no other broker reaches it, clients still do. */
  async cutOff(id: number): Promise<void> {
    const member = this.member(id);
    const { network } = await getContainerRuntimeClient();
    await network.getById(member.plan.peersNetwork).disconnect({ Container: member.container.getId() });
    member.isCutOff = true;
  }

  async rejoin(id: number): Promise<void> {
    const member = this.member(id);
    await joinPeers(member.container.getId(), member.plan);
    member.isCutOff = false;
  }

  /** Brings back whatever a scenario that failed left stopped or cut off. */
  async mend(): Promise<void> {
    for (const id of this.ids) {
      if (this.member(id).isCutOff) await this.rejoin(id);
      if (!this.member(id).isRunning) await this.start(id);
    }
    await Promise.all(this.ids.map((id) => this.ready(id)));
  }

  /** The command line of the broker's image, in its container, as `docker exec` runs it. */
  async varve(id: number, args: readonly string[]): Promise<CommandResult> {
    const { exitCode, output } = await this.member(id).container.exec(["varve", ...args]);
    return { exitCode, output };
  }

  /** What a running broker's /metrics says. */
  async metricsOf(id: number): Promise<string> {
    return (await this.ask(id, "/metrics", PROBE_MS)).text();
  }

  /** Copies a stopped broker's data to a new folder of this machine. */
  async copyData(id: number, folder: string): Promise<void> {
    mkdirSync(folder, { recursive: true });
    const archive = await this.member(id).container.copyArchiveFromContainer("/var/lib/varve/.");
    const tar = spawn("tar", ["-x", "-C", folder], { stdio: ["pipe", "inherit", "inherit"] });
    const ended = once(tar, "close");
    // tar closes its input at the archive's end, sometimes before the padding behind it has come: its own word counts.
    await pipeline(archive, tar.stdin).catch((error: NodeJS.ErrnoException) => {
      if (!TAR_HAS_ENDED.includes(error.code)) throw error;
    });
    const [code] = await ended;
    if (code !== 0) throw new Error(`tar ended with ${code}`);
  }

  /** Brokers that ended although nobody ended them, with the end of what they said. */
  async unexpectedEnds(): Promise<string[]> {
    const ends: string[] = [];
    for (const id of this.ids) {
      if (!this.member(id).isRunning) continue;
      const { Running, ExitCode, OOMKilled } = (await (await this.containerOf(id)).inspect()).State;
      if (!Running)
        ends.push(
          `broker ${id} ended by itself with ${ExitCode}${OOMKilled ? ", out of memory" : ""}: ${await this.logOf(id)}`,
        );
    }
    return ends;
  }

  /** The last lines that a broker said. */
  async logOf(id: number): Promise<string> {
    const lines = await (await this.containerOf(id)).logs({ stdout: true, stderr: true, tail: 20 });
    return lines.toString("utf8");
  }

  private async notePid(id: number): Promise<void> {
    this.member(id).pid = (await (await this.containerOf(id)).inspect()).State.Pid;
  }

  private async ask(id: number, path: string, deadlineMs: number): Promise<Response> {
    const { opsPort } = this.member(id).plan;
    return fetch(`http://127.0.0.1:${opsPort}${path}`, { signal: AbortSignal.timeout(deadlineMs) });
  }

  private async containerOf(id: number): Promise<DockerContainer> {
    const { container } = await getContainerRuntimeClient();
    return container.getById(this.member(id).container.getId());
  }

  private member(id: number): Member {
    return assertDefined(this.members.get(id), "a scenario names a broker of the cluster");
  }
}

type RuntimeClient = Awaited<ReturnType<typeof getContainerRuntimeClient>>;
/** The engine's own view of a container. */
type DockerContainer = ReturnType<RuntimeClient["container"]["getById"]>;
