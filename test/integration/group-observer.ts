/**
 * group-observer.ts: somebody outside a group who asks again and again what it has stored.
 *
 * Invariant: what is answered later is never less than what was answered before (reliability C3; the group is not moved meanwhile).
 */
import type { Varve } from "@varve/client";
import type { SeenCommitted } from "./group-history.js";
import { machineMs } from "./group-report.js";

const LOOK_MS = 150;

export class GroupObserver {
  /** In the order in which they were seen. */
  readonly seen: SeenCommitted[] = [];
  /** What should never be; empty. */
  readonly violations: string[] = [];
  private readonly looking: Promise<void>;
  private isOver = false;

  /** Starts at once. */
  constructor(client: Varve, group: string) {
    this.looking = this.look(client, group);
  }

  async stop(): Promise<void> {
    this.isOver = true;
    await this.looking;
  }

  private async look(client: Varve, group: string): Promise<void> {
    while (!this.isOver) {
      const { offsets } = await client.admin.describeGroup(group);
      const committed = new Map(offsets.map((offset) => [offset.partition, offset.committed ?? 0]));
      for (const [partition, offset] of this.seen.at(-1)?.offsets ?? []) {
        const now = committed.get(partition) ?? 0;
        if (now < offset) this.violations.push(`partition ${partition} had ${offset} committed, and then ${now}`);
      }
      this.seen.push({ atMs: machineMs(), offsets: committed });
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS)); // The observer's pace.
    }
  }
}
