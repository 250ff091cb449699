/**
 * sim-client.ts: a client, a network and a model of a cluster on one hand-driven clock and one seed.
 */
import type { Logger } from "@varve/base";
import { type Prng, SimClock } from "@varve/base/testing";
import { nodeCodec } from "@varve/records/node";
import { SimRpcNetwork, type UnaryFate } from "@varve/rpc/testing";
import type { VarveOptions } from "../options.js";
import type { ClientPorts, Diagnostics, DiagnosticsChannel } from "../ports.js";
import { VarveClient } from "../varve.js";
import { ModelCluster, type ModelClusterOptions } from "./model-cluster.js";
import { ModelGroups } from "./model-groups.js";

export interface SimClientOptions {
  readonly prng: Prng;
  /** Default 3. */
  readonly brokers?: number;
  /** Default: the first broker. */
  readonly bootstrap?: readonly string[];
  readonly requestDeadlineMs?: number;
  readonly logger?: Logger;
  readonly model?: Omit<ModelClusterOptions, "clock" | "addresses">;
  readonly latencyMs?: () => number;
  readonly fate?: (method: string, address: string) => UnaryFate;
}

/** How far the clock may go for one promise before the test counts as stuck. */
const STUCK_MS = 600_000;

export class SimClient {
  readonly clock = new SimClock();
  readonly addresses: readonly string[];
  readonly network: SimRpcNetwork;
  readonly model: ModelCluster;
  readonly groups: ModelGroups;
  readonly varve: VarveClient;
  private readonly settings: VarveOptions;
  private readonly ports: ClientPorts;
  /** What the client published, newest last. */
  readonly published: { readonly channel: DiagnosticsChannel; readonly message: object }[] = [];

  constructor(options: SimClientOptions) {
    const { clock } = this;
    this.addresses = Array.from({ length: options.brokers ?? 3 }, (_, at) => `broker-${at + 1}:7650`);
    this.network = new SimRpcNetwork({
      clock,
      ...(options.latencyMs === undefined ? {} : { latencyMs: options.latencyMs }),
      ...(options.fate === undefined ? {} : { fate: options.fate }),
    });
    this.model = new ModelCluster({ ...options.model, clock, addresses: this.addresses });
    this.groups = new ModelGroups(this.model, clock);
    for (const address of this.addresses) this.start(address);
    const diagnostics: Diagnostics = {
      hasSubscribers: () => true,
      publish: (channel, message) => {
        this.published.push({ channel, message });
      },
    };
    const { requestDeadlineMs, logger } = options;
    this.settings = { bootstrap: options.bootstrap ?? this.addresses.slice(0, 1), requestDeadlineMs, logger };
    this.ports = { clock, random: options.prng, transport: this.network.transport(), codec: nodeCodec, diagnostics };
    this.varve = this.another();
  }

  /** One more client of the same cluster: another process. */
  another(): VarveClient {
    return new VarveClient(this.settings, this.ports);
  }

  /** Starts a broker, also after `network.stop`. */
  start(address: string): void {
    const broker = this.addresses.indexOf(address) + 1;
    this.network.serve(address, {
      log: this.model.log(broker),
      group: this.groups.handlers(),
      admin: this.model.admin(broker),
    });
  }

  /** Runs the clock until the promise is settled. */
  async run<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const mark = (): void => {
      settled = true;
    };
    promise.then(mark, mark);
    const giveUpAtMs = this.clock.monotonicMs() + STUCK_MS;
    for (;;) {
      await this.clock.runUntil(this.clock.monotonicMs());
      if (settled) return promise;
      const atMs = this.clock.nextAtMs();
      if (atMs === null || atMs > giveUpAtMs)
        throw new Error(`nothing settles the promise; the time is ${this.clock.monotonicMs()} ms`);
      await this.clock.runUntil(atMs);
    }
  }

  /** What the promise rejects with; an error when it does not. */
  async failure(promise: Promise<unknown>): Promise<unknown> {
    return this.run(
      promise.then(
        (value) => {
          throw new Error(`it succeeded with ${JSON.stringify(value)}`);
        },
        (error: unknown) => error,
      ),
    );
  }

  /** Everything that an iterable yields until it ends. */
  async collect<T>(records: AsyncIterable<T>): Promise<T[]> {
    const all = async (): Promise<T[]> => {
      const found: T[] = [];
      for await (const record of records) found.push(record);
      return found;
    };
    return this.run(all());
  }
}
