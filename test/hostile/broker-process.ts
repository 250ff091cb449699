/**
 * broker-process.ts: one broker in a process of its own, as users run it, and what the operating system says of it.
 */
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { METHODS } from "@varve/rpc";
import { createClient } from "@varve/rpc/node";
import { freeBasePort } from "../integration/ports.js";
import { isAlive, until, VarveProcess } from "../integration/varve-process.js";

const KIB_PER_MIB = 1_024;
/** A broker that has a gibibyte of answers to drop needs seconds of a processor for it. */
const RETURN_MS = 90_000;

export class BrokerProcess {
  readonly port: number;
  readonly #folder: string;
  readonly #process: VarveProcess;

  private constructor(port: number, folder: string, process: VarveProcess) {
    this.port = port;
    this.#folder = folder;
    this.#process = process;
  }

  /** A broker that is its own cluster, with the topic `good` of one partition. */
  static async start(limits: Readonly<Record<string, number>> = {}): Promise<BrokerProcess> {
    const folder = mkdtempSync(join(tmpdir(), "varve-hostile-"));
    const port = await freeBasePort(1);
    const config = {
      brokerId: 1,
      dataDir: join(folder, "data"),
      cluster: { seeds: [`127.0.0.1:${port + 1}`] },
      listen: { grpcPort: port, peerPort: port + 1, opsPort: port + 2 },
      limits,
    };
    const file = join(folder, "broker.yaml");
    writeFileSync(file, JSON.stringify(config)); // JSON is YAML.
    const broker = new BrokerProcess(port, folder, new VarveProcess(["broker", "start", "--config", file]));
    await until("the broker is ready", async () => {
      if (!isAlive(broker.#process.pid)) throw new Error(`the broker ended: ${broker.#process.stdout}`);
      return (await broker.#isReady()) ? true : null;
    });
    const client = createClient(broker.address);
    await client.unary(METHODS.createTopic, { topic: "good", partitions: 1, replicas: 1 }, { deadlineMs: 10_000 });
    client.close();
    return broker;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Whether the process that was started is still the one that runs. */
  get lives(): boolean {
    return isAlive(this.#process.pid) && this.#process.child.exitCode === null;
  }

  /** Connections and listeners of the process; files of the log come and go by themselves. */
  openSockets(): number {
    const folder = `/proc/${this.#process.pid}/fd`;
    return readdirSync(folder).filter((name) => targetOf(`${folder}/${name}`).startsWith("socket:")).length;
  }

  /** Memory that the process has, MiB. */
  rssMib(): number {
    const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.#process.pid}/status`, "utf8"))?.[1];
    return Number(kib) / KIB_PER_MIB;
  }

  /** Lines of the log about calls that failed for a reason that nobody expected. */
  internalErrors(): string[] {
    return this.#process.stdout.split("\n").filter((line) => line.includes("a call failed inside the broker"));
  }

  /** Resolves when no more sockets are open than `socketsBefore`. */
  async socketsReturnTo(socketsBefore: number): Promise<void> {
    const haveReturned = (): true | null => (this.openSockets() <= socketsBefore ? true : null);
    await until(`open sockets return to ${socketsBefore}`, haveReturned, RETURN_MS);
  }

  async stop(): Promise<void> {
    this.#process.child.kill("SIGKILL");
    await this.#process.finished;
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #isReady(): Promise<boolean> {
    try {
      return (await fetch(`http://127.0.0.1:${this.port + 2}/readyz`)).ok;
    } catch {
      return false;
    }
  }
}

/** What a descriptor stands for; it may be closed meanwhile. */
function targetOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

/** Whether this machine shows processes as Linux does. */
export const hasProc = process.platform === "linux";
