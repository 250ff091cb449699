/**
 * produce-links.ts: the producer's links, one per address that it sends to.
 */
import type { VarveError } from "@varve/base";
import type { Cluster } from "../cluster/cluster.js";
import { blamesAddress } from "../errors.js";
import { ProduceLink } from "./produce-link.js";

export class ProduceLinks {
  private readonly cluster: Cluster;
  private readonly links = new Map<string, ProduceLink>();

  constructor(cluster: Cluster) {
    this.cluster = cluster;
  }

  /** The link that is there now. */
  get(address: string): ProduceLink | undefined {
    return this.links.get(address);
  }

  /** @throws VarveError CLOSED when the client is closed. */
  to(address: string): ProduceLink {
    let link = this.links.get(address);
    if (link === undefined) {
      link = new ProduceLink(this.cluster.pool.channel(address), this.cluster.ports.clock, {
        onOver: (over, error) => this.over(over, error),
        onAlive: ({ address: alive }) => this.cluster.pool.succeeded(alive),
      });
      this.links.set(address, link);
    }
    return link;
  }

  /** Ends links that wait for nothing. */
  close(): void {
    for (const link of this.links.values()) link.end();
  }

  /** Cuts all of them. */
  cut(why: string): void {
    for (const link of [...this.links.values()]) link.cut(why);
  }

  private over(link: ProduceLink, error: VarveError | null): void {
    if (this.links.get(link.address) === link) this.links.delete(link.address);
    if (error !== null && blamesAddress(error)) this.cluster.pool.failed(link.address, error.code);
  }
}
