/**
 * varve.ts: the client: one set of connections for admin calls, producers, readers and consumers. Reaches the world through its ports only.
 */
import { toVarveError } from "@varve/base";
import { Admin } from "./admin/admin.js";
import { Cluster } from "./cluster/cluster.js";
import { Consumer } from "./consumer/consumer.js";
import type { ConsumerOptions } from "./consumer/options.js";
import { closed } from "./errors.js";
import { clientSettings, type VarveOptions } from "./options.js";
import type { ClientPorts } from "./ports.js";
import type { ProducerOptions } from "./producer/options.js";
import { Producer } from "./producer/producer.js";
import type { ReaderOptions } from "./reader/options.js";
import { Reader } from "./reader/reader.js";
import type { Data } from "./records/input.js";

export class VarveClient {
  /** Topics, offsets, groups, the cluster. */
  readonly admin: Admin;
  private readonly cluster: Cluster;
  private readonly producers = new Set<Pick<Producer, "close">>();
  private readonly readers = new Set<Pick<Reader, "shutDown">>();
  private readonly consumers = new Set<Pick<Consumer, "close">>();
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
    try {
      this.refuseWhenClosed();
      const reader = new Reader<T>(this.cluster, options, () => this.readers.delete(reader));
      this.readers.add(reader);
      return reader;
    } catch (thrown) {
      throw toVarveError(thrown).withEffect("NONE");
    }
  }

  /** A member of a group; it joins when it is run. @throws VarveError INVALID_ARGUMENT, INVALID_GROUP_NAME, INVALID_TOPIC_NAME, CLOSED. */
  consumer<T = Buffer>(options: ConsumerOptions<T>): Consumer<T> {
    this.refuseWhenClosed();
    const consumer = new Consumer<T>(this.cluster, options, () => this.consumers.delete(consumer));
    this.consumers.add(consumer);
    return consumer;
  }

  /** Closes consumers, which finish what is in work and leave their groups, producers, which send what is under way, readers and connections. */
  close(): Promise<void> {
    this.closing ??= this.shutDown();
    return this.closing;
  }

  private async shutDown(): Promise<void> {
    for (const reader of [...this.readers]) reader.shutDown();
    // Handlers that are finishing may send: producers go last.
    await Promise.all([...this.consumers].map((consumer) => consumer.close()));
    await Promise.all([...this.producers].map((producer) => producer.close()));
    this.cluster.close();
  }

  private refuseWhenClosed(): void {
    if (this.closing !== null) throw closed("this client");
  }
}
