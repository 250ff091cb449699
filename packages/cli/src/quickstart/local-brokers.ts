/** local-brokers.ts: broker processes in a temporary folder, for the quickstart and for benchmarks. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assertDefined } from "@varve/base";
import { BrokerProcess } from "../brokers/broker-process.js";
import { writeConfigFile } from "../brokers/config-file.js";
import { type BrokerPlace, bootstrapOf, placeBrokers } from "../brokers/layout.js";
import { findFreePorts } from "../brokers/ports.js";
import { devCertificates } from "../dev/dev-tls.js";

const READY_MS = 20_000;
const STOP_GRACE_MS = 5_000;

export class LocalBrokers {
  readonly folder: string;
  readonly bootstrap: string;
  /** Of the authority that clients must trust; null: plain text. */
  readonly caFile: string | null;
  private readonly processes: Map<number, BrokerProcess>;

  private constructor(
    folder: string,
    places: readonly BrokerPlace[],
    processes: readonly BrokerProcess[],
    caFile: string | null,
  ) {
    this.folder = folder;
    this.caFile = caFile;
    this.bootstrap = bootstrapOf(places);
    this.processes = new Map(processes.map((broker) => [broker.place.id, broker]));
  }

  /** Starts `count` brokers on free ports; resolves when all are ready. `tls`: as `varve dev --tls` has it. Default: plain text. */
  static async start(count: number, { tls = false }: { readonly tls?: boolean } = {}): Promise<LocalBrokers> {
    const folder = mkdtempSync(join(tmpdir(), "varve-quickstart-"));
    const places = placeBrokers(folder, await findFreePorts(count));
    const certificates = tls ? await devCertificates(folder, []) : null;
    const processes: BrokerProcess[] = [];
    for (const place of places) {
      writeConfigFile(place, places, certificates);
      processes.push(await BrokerProcess.start(place));
    }
    const brokers = new LocalBrokers(folder, places, processes, certificates?.caFile ?? null);
    try {
      await Promise.all(processes.map((broker) => broker.ready(READY_MS)));
      return brokers;
    } catch (error) {
      await brokers.stop({ keepFiles: true });
      throw error;
    }
  }

  /** The processes as they are now, by broker id. */
  places(): readonly (BrokerPlace & { readonly pid: number })[] {
    return [...this.processes.values()].map(({ place, pid }) => ({ ...place, pid }));
  }

  /** kill -9. */
  kill(id: number): void {
    this.broker(id).kill("SIGKILL");
  }

  /** Starts a killed broker again on its old data; resolves when it is ready. */
  async restart(id: number): Promise<void> {
    const dead = this.broker(id);
    await dead.ended;
    const broker = await BrokerProcess.start(dead.place);
    this.processes.set(id, broker);
    await broker.ready(READY_MS);
  }

  async stop({ keepFiles }: { readonly keepFiles: boolean }): Promise<void> {
    await Promise.all([...this.processes.values()].map((broker) => broker.stop(STOP_GRACE_MS)));
    if (!keepFiles) rmSync(this.folder, { recursive: true, force: true });
  }

  private broker(id: number): BrokerProcess {
    return assertDefined(this.processes.get(id), "a leader is one of the three brokers");
  }
}
