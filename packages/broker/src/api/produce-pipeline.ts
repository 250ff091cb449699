/**
 * produce-pipeline.ts: produce requests of one stream, many in flight, in order per partition.
 *
 * While a partition's leader is here, or known and connected, a request is appended or sent in the call itself, so order is kept by
 * itself. Otherwise the requests of that partition wait for each other, and those of other partitions pass them.
 */
import type { ProduceRequest, ProduceResult } from "../partition/partition.js";
import type { CallContext, Router } from "../routing/router.js";
import type { ConnectionBudget } from "./connection-budget.js";
import type { LogApi, PartitionRef } from "./log-api.js";

export class ProducePipeline {
  private readonly api: LogApi;
  private readonly router: Router;
  private readonly connections: ConnectionBudget;
  private readonly peer: string;
  private readonly queues = new Map<string, Promise<unknown>>();

  /** @param peer the connection that the stream came on. */
  constructor(api: LogApi, router: Router, connections: ConnectionBudget, peer: string) {
    this.api = api;
    this.router = router;
    this.connections = connections;
    this.peer = peer;
  }

  /** Resolves when the stream may be read on: the bytes in flight of its connection are below their bound. */
  room(): Promise<void> {
    return this.connections.room(this.peer);
  }

  async submit(ref: PartitionRef, request: ProduceRequest, context: CallContext): Promise<ProduceResult> {
    const bytes = request.batch.length;
    this.connections.add(this.peer, bytes);
    try {
      return await this.inOrder(ref, () => this.api.produce(ref, request, context));
    } finally {
      this.connections.release(this.peer, bytes);
    }
  }

  private inOrder(ref: PartitionRef, run: () => Promise<ProduceResult>): Promise<ProduceResult> {
    const key = `${ref.topicId === "" ? ref.topic : ref.topicId}/${ref.partition}`;
    const before = this.queues.get(key);
    if (before === undefined && this.isImmediate(ref)) return run();
    const mine = (before ?? Promise.resolve()).then(run, run);
    const settled = mine.then(
      () => {},
      () => {},
    );
    this.queues.set(key, settled);
    settled.then(() => {
      if (this.queues.get(key) === settled) this.queues.delete(key);
    });
    return mine;
  }

  private isImmediate(ref: PartitionRef): boolean {
    const located = this.router.locateNow(ref, ref.partition);
    return located !== null && this.router.leaderOf(located.state) !== null;
  }
}
