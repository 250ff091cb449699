/**
 * varve.ts: the client: one set of connections for admin calls, producers and readers. Reaches the world through its ports only.
 */
import { Admin } from "./admin/admin.js";
import { Cluster } from "./cluster/cluster.js";
import { closed } from "./errors.js";
import { clientSettings, type VarveOptions } from "./options.js";
import type { ClientPorts } from "./ports.js";
import type { ProducerOptions } from "./producer/options.js";
import { Producer } from "./producer/producer.js";
import type { ReaderOptions } from "./reader/options.js";
import { Reader } from "./reader/reader.js";
import type { Data } from "./records/input.js";

export class VarveClient {
  /** Topics, offsets, the cluster. */
  readonly admin: Admin;
  private readonly cluster: Cluster;
  private readonly producers = new Set<Pick<Producer, "close">>();
  private readonly readers = new Set<Pick<Reader, "shutDown">>();
  private closing: Promise<void> | null = null;

  /** Connects at first use. @throws VarveError INVALID_ARGUMENT. */
  constructor(options: VarveOptions, ports: ClientPorts) {
    this.cluster = new Cluster(clientSettings(options), ports);
    this.admin = new Admin(this.cluster);
  }

  /** A producer: idempotent, acks quorum, unless told otherwise. @throws VarveError INVALID_ARGUMENT, CLOSED. */
  producer<T = Data>(options: ProducerOptions<T> = {}): Producer<T> {
    this.refuseWhenClosed();
    const producer = new Producer<T>(this.cluster, options, () => this.producers.delete(producer));
    this.producers.add(producer);
    return producer;
  }

  /** A reader without a group, from a point, to a point or for ever. @throws VarveError INVALID_ARGUMENT, CLOSED. */
  reader<T = Buffer>(options: ReaderOptions<T>): Reader<T> {
    this.refuseWhenClosed();
    const reader = new Reader<T>(this.cluster, options, () => this.readers.delete(reader));
    this.readers.add(reader);
    return reader;
  }

  /** Closes producers, which send what is under way first, then readers and connections. */
  close(): Promise<void> {
    this.closing ??= this.shutDown();
    return this.closing;
  }

  private async shutDown(): Promise<void> {
    for (const reader of [...this.readers]) reader.shutDown();
    await Promise.all([...this.producers].map((producer) => producer.close()));
    this.cluster.close();
  }

  private refuseWhenClosed(): void {
    if (this.closing !== null) throw closed("this client");
  }
}
