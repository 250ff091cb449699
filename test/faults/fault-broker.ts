/**
 * fault-broker.ts: a broker process whose file calls can be made to fail, and whose death can be made a power cut.
 */
import { join } from "node:path";
import { type Finished, until, VarveProcess } from "../integration/varve-process.js";
import { cutPower, hasUnsynced, type PowerCutOptions, type PowerCutReport } from "./power-cut.js";
import { FaultControl } from "./preload.js";

/** Parts of paths that a power cut concerns: all but LMDB's store, which a broker may lose at any time. */
const POWER_PATHS = ["/wal", "/topics", "/node.json", "/note.json"];

export interface FaultBrokerOptions {
  readonly id: number;
  readonly folder: string;
  /** Default: a folder in `folder`. */
  readonly dataDir?: string;
  readonly ports: { readonly grpc: number; readonly peer: number; readonly ops: number };
  readonly seeds: readonly string[];
  /** From `buildPreload`; null: no faults. */
  readonly library: string | null;
  /** Journal what a power cut takes back. */
  readonly power?: boolean;
  /** More settings, as variables. */
  readonly settings?: Readonly<Record<string, string>>;
}

export class FaultBroker {
  readonly id: number;
  readonly dataDir: string;
  readonly grpc: string;
  /** Its faults; without a library it has none. */
  readonly faults: FaultControl | null;
  private readonly options: FaultBrokerOptions;
  private readonly powerDir: string;
  private process: VarveProcess | null = null;

  constructor(options: FaultBrokerOptions) {
    const { id, folder, library, ports } = options;
    this.options = options;
    this.id = id;
    this.dataDir = options.dataDir ?? join(folder, `broker-${id}`);
    this.powerDir = join(folder, `power-${id}`);
    this.grpc = `127.0.0.1:${ports.grpc}`;
    this.faults = library === null ? null : new FaultControl(library, join(folder, `faults-${id}`));
  }

  /** Starts the process; ready is another matter. */
  start(): void {
    const { ports, seeds, settings, power } = this.options;
    const env = {
      VARVE_BROKER_ID: String(this.id),
      VARVE_DATA_DIR: this.dataDir,
      VARVE_HOST: `host-${this.id}`,
      VARVE_CLUSTER_SEEDS: seeds.join(","),
      VARVE_LISTEN_GRPC_PORT: String(ports.grpc),
      VARVE_LISTEN_PEER_PORT: String(ports.peer),
      VARVE_LISTEN_OPS_PORT: String(ports.ops),
      UV_THREADPOOL_SIZE: "16",
      ...settings,
      ...this.faults?.env(power === true ? { folder: this.powerDir, paths: POWER_PATHS } : undefined),
    };
    this.process = new VarveProcess(["broker", "start", "--stop-with-stdin"], { env });
  }

  get running(): VarveProcess {
    if (this.process === null) throw new Error(`broker ${this.id} was never started`);
    return this.process;
  }

  /** Its log since its last start. */
  get log(): string {
    return this.running.stdout;
  }

  async ready(): Promise<void> {
    await until(`broker ${this.id} is ready`, async () => ((await this.ops("readyz"))?.ok === true ? true : null));
  }

  /** An answer of the operators' port; null: none. */
  async ops(path: string): Promise<{ readonly ok: boolean; readonly text: string } | null> {
    try {
      const url = `http://127.0.0.1:${this.options.ports.ops}/${path}`;
      const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
      return { ok: response.ok, text: await response.text() };
    } catch {
      return null;
    }
  }

  /** The value of a metric without labels; null: it has none now. */
  async metric(name: string): Promise<number | null> {
    const found = new RegExp(`^${name} (\\S+)$`, "m").exec((await this.ops("metrics"))?.text ?? "");
    return found === null ? null : Number(found[1]);
  }

  async kill(): Promise<void> {
    this.running.child.kill("SIGKILL");
    await this.running.finished;
  }

  /** Whether it has written what a power cut would take back. */
  get hasUnsynced(): boolean {
    return hasUnsynced(this.powerDir);
  }

  /** Kills it and takes back what it had not synced. */
  async cutPower(options: Omit<PowerCutOptions, "folder"> = {}): Promise<PowerCutReport> {
    await this.kill();
    return cutPower({ folder: this.powerDir, ...options });
  }

  async stop(): Promise<Finished> {
    this.running.child.kill("SIGTERM");
    return this.running.finished;
  }
}
