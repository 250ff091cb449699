/** follower.ts: reads the topic from its start while it is written and while its leader dies. */
import { toVarveError, VarveError } from "@varve/base";
import type { ClusterClient } from "../shell/shell.js";

const POLL_MS = 20;

export class Follower {
  private readonly stop = new AbortController();
  private readonly done: Promise<void>;
  private failure: unknown = null;
  /** Records read so far. */
  read = 0;

  constructor(client: ClusterClient, topic: string) {
    this.done = this.follow(client, topic);
  }

  /** @throws VarveError TIMEOUT when fewer than `records` have been read after `timeoutMs`, or the reader's own error. */
  async caughtUp(records: number, timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (this.read < records && this.failure === null && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    if (this.failure !== null) throw toVarveError(this.failure, "NONE");
    if (this.read === records) return;
    throw new VarveError("TIMEOUT", {
      message: `the reader that ran meanwhile has read ${this.read} records, but ${records} are acknowledged`,
      effect: "NONE",
    });
  }

  async close(): Promise<void> {
    this.stop.abort();
    await this.done;
  }

  private async follow(client: ClusterClient, topic: string): Promise<void> {
    try {
      for await (const _ of client.reader({ topic, from: "earliest", signal: this.stop.signal })) this.read += 1;
    } catch (error) {
      if (!this.stop.signal.aborted) this.failure = error;
    }
  }
}
