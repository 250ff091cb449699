/**
 * cluster.ts: what admin, producers and readers share: the pool of brokers, calls with retries, and metadata.
 */
import type { PartitionId } from "@varve/base";
import type { Init, UnaryMethod } from "@varve/rpc";
import type { ClientSettings } from "../options.js";
import type { ClientPorts } from "../ports.js";
import { BrokerPool } from "./broker-pool.js";
import { Caller, type CallOptions } from "./caller.js";
import { MetadataCache } from "./metadata-cache.js";
import type { TopicView } from "./topic-view.js";

export class Cluster {
  readonly ports: ClientPorts;
  readonly settings: ClientSettings;
  readonly pool: BrokerPool;
  readonly caller: Caller;
  readonly metadata: MetadataCache;

  constructor(settings: ClientSettings, ports: ClientPorts) {
    const { bootstrap, logger, requestDeadlineMs } = settings;
    this.ports = ports;
    this.settings = settings;
    this.pool = new BrokerPool({ bootstrap, transport: ports.transport, clock: ports.clock, random: ports.random });
    this.caller = new Caller(ports, this.pool, logger);
    this.metadata = new MetadataCache(ports, this.pool, this.caller, requestDeadlineMs);
  }

  /** A call that is given up after the client's request deadline. @throws VarveError, with the effect of all attempts together. */
  call<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Init<Request>,
    options: Omit<CallOptions<Response>, "deadlineMs">,
  ): Promise<Response> {
    return this.caller.call(method, request, { ...options, deadlineMs: this.settings.requestDeadlineMs });
  }

  /**
   * Where to send something for a partition: to its leader, else to any broker, which forwards, or says that there is no such partition: the topic
   * may have been made anew with fewer.
   */
  addressFor(view: TopicView, partition: PartitionId): string {
    const leader = view.partitions[partition]?.leader ?? null;
    const direct = leader === null ? null : this.pool.addressOf(leader);
    return direct ?? this.pool.anyAddress();
  }

  close(): void {
    this.pool.close();
  }
}
