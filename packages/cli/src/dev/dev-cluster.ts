/**
 * dev-cluster.ts: the brokers of `varve dev`: all started together, a dead one started again, all stopped together.
 *
 * Invariants:
 *   S1  states: starting -> running -> stopping -> stopped; a broker is started again only while running
 *   S2  dev.json names the newest process of each broker; it is rewritten before anyone is told of a restart
 *   S3  a broker that keeps dying right after its start is given up after `FAST_DEATHS_MAX` times in a row, so that a defect does not
 *       become an endless loop
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { VarveError } from "@varve/base";
import { BrokerProcess, describeEnd } from "../brokers/broker-process.js";
import { type BrokerTlsFiles, writeConfigFile } from "../brokers/config-file.js";
import type { BrokerPlace } from "../brokers/layout.js";
import { requireFreePorts } from "../brokers/ports.js";
import { type DevFile, describeDev, removeDevFile, writeDevFile } from "./dev-file.js";
import { lockDevFolder } from "./dev-lock.js";

/** From the death of a broker to its next start. */
const RESPAWN_DELAY_MS = 3_000;
/** A broker that lived longer was well. */
const FAST_DEATH_MS = 10_000;
const FAST_DEATHS_MAX = 5;
const READY_TIMEOUT_MS = 60_000;
/** From SIGTERM to SIGKILL. */
const STOP_GRACE_MS = 10_000;

export interface DevClusterOptions {
  /** Absolute path; created when absent. */
  readonly folder: string;
  readonly places: readonly BrokerPlace[];
  readonly respawn: boolean;
  /** Whether brokers speak TLS, with clients and with each other. */
  readonly tls: boolean;
  /** Told what happens to single brokers, in a line of text. */
  readonly onEvent: (text: string) => void;
  /** Ends a wait for readiness. */
  readonly signal: AbortSignal;
}

interface Member {
  readonly place: BrokerPlace;
  process: BrokerProcess;
  startedAtMs: number;
  fastDeaths: number;
}

export class DevCluster {
  private readonly options: DevClusterOptions;
  private readonly members: Member[] = [];
  private readonly timers = new Set<NodeJS.Timeout>();
  private readonly unlock: () => void;
  private tls: BrokerTlsFiles | null = null;
  private state: "starting" | "running" | "stopping" | "stopped" = "starting";

  private constructor(options: DevClusterOptions, unlock: () => void) {
    this.options = options;
    this.unlock = unlock;
  }

  /**
   * Starts all brokers and resolves when each is ready and dev.json is written.
   * @throws VarveError when the folder is in use, a port is taken, or a broker does not become ready; then nothing is left running.
   */
  static async start(options: DevClusterOptions): Promise<DevCluster> {
    const unlock = lockDevFolder(options.folder);
    const cluster = new DevCluster(options, unlock);
    try {
      removeDevFile(options.folder);
      refuseFewerBrokers(options.folder, options.places.length);
      await requireFreePorts(options.places, "stop that process or choose another --port");
      await cluster.startAll();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  describe(): DevFile {
    return describeDev(
      process.pid,
      this.members.map(({ place, process: { pid } }) => ({ place, pid })),
      this.tls?.caFile ?? null,
    );
  }

  /** SIGTERM to all brokers, SIGKILL after 10 s; resolves when all are gone and the folder is free again. */
  async stop(): Promise<void> {
    if (this.state === "stopping" || this.state === "stopped") return;
    this.state = "stopping";
    for (const timer of this.timers) clearTimeout(timer);
    removeDevFile(this.options.folder);
    await Promise.all(this.members.map(({ process: broker }) => broker.stop(STOP_GRACE_MS)));
    this.unlock();
    this.state = "stopped";
  }

  private async startAll(): Promise<void> {
    const { places, signal, folder } = this.options;
    if (this.options.tls) {
      const { devCertificates } = await import("./dev-tls.js");
      this.tls = await devCertificates(
        folder,
        places.map(({ dataDir }) => dataDir),
      );
    }
    for (const place of places) {
      writeConfigFile(place, places, this.tls);
      const broker = await BrokerProcess.start(place);
      this.members.push({ place, process: broker, startedAtMs: performance.now(), fastDeaths: 0 });
    }
    await Promise.all(this.members.map(({ process: broker }) => broker.ready(READY_TIMEOUT_MS, signal)));
    this.state = "running";
    for (const member of this.members) this.watch(member);
    writeDevFile(this.options.folder, this.describe());
  }

  /** Waits for the death of the member's process. */
  private watch(member: Member): void {
    const { place, process: broker } = member;
    void broker.ended.then((end) => {
      if (this.state !== "running") return;
      const lived = performance.now() - member.startedAtMs;
      member.fastDeaths = lived < FAST_DEATH_MS ? member.fastDeaths + 1 : 0;
      const what = `broker ${place.id} (process ${broker.pid}) ${describeEnd(end)}`;
      if (!this.options.respawn) this.options.onEvent(`${what}; it stays down (--no-respawn)`);
      else if (member.fastDeaths > FAST_DEATHS_MAX) {
        this.options.onEvent(`${what} again; it stays down, see ${place.logFile}`);
      } else {
        this.options.onEvent(`${what}; it starts again in ${RESPAWN_DELAY_MS / 1_000} s`);
        this.later(RESPAWN_DELAY_MS, () => this.restart(member));
      }
    });
  }

  private async restart(member: Member): Promise<void> {
    const broker = await BrokerProcess.start(member.place);
    member.process = broker;
    member.startedAtMs = performance.now();
    if (this.state !== "running") {
      await broker.stop(STOP_GRACE_MS);
      return;
    }
    this.watch(member);
    writeDevFile(this.options.folder, this.describe());
    this.options.onEvent(`broker ${member.place.id} runs again (process ${broker.pid})`);
  }

  private later(delayMs: number, work: () => Promise<void>): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      work().catch((error: unknown) => {
        this.options.onEvent(`a broker could not be started again: ${error instanceof Error ? error.message : error}`);
      });
    }, delayMs);
    this.timers.add(timer);
  }
}

/** Without some of the brokers that founded it, a cluster may lack a majority and would only look broken. */
function refuseFewerBrokers(folder: string, count: number): void {
  const ids = readdirSync(folder).flatMap((name) => {
    const id = /^broker-([0-9]+)$/.exec(name)?.[1];
    return id === undefined ? [] : [Number(id)];
  });
  const largest = Math.max(0, ...ids);
  if (largest <= count) return;
  throw new VarveError("DATA_DIR_UNUSABLE", {
    message: `${folder} holds a cluster of ${largest} brokers; start it with --brokers ${largest} or choose another --data-dir; a broker that was decommissioned stays away once its folder is removed: ${join(folder, `broker-${largest}`)}`,
    details: { folder, brokers: largest },
  });
}
