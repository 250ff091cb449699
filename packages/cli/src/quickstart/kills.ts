/**
 * kills.ts: whom the quickstart kills, both at one moment: the broker that leads most partitions, which starts again later, and the worker of the
 * group that was handed most records, which does not.
 */
import { assert, VarveError } from "@varve/base";
import type { ClusterClient } from "../shell/shell.js";
import { FailoverWatch, leaderOfMost, type PartitionAtKill } from "./failover-watch.js";
import type { LocalBrokers } from "./local-brokers.js";
import type { Disturbance } from "./paced-sender.js";
import type { ReadingGroup } from "./reading-group.js";
import { TOPIC } from "./topic.js";

export class Kills implements Disturbance {
  readonly watch = new FailoverWatch();
  /** Resolves when the killed broker is ready again. */
  restarted: Promise<void> = Promise.resolve();
  victim = 0;
  victimWorker = "";
  private readonly client: ClusterClient;
  private readonly brokers: LocalBrokers;
  private readonly group: ReadingGroup;
  private readonly say: (text: string) => void;
  private partitions: readonly PartitionAtKill[] = [];

  constructor(client: ClusterClient, brokers: LocalBrokers, group: ReadingGroup, say: (text: string) => void) {
    this.client = client;
    this.brokers = brokers;
    this.group = group;
    this.say = say;
  }

  async aim(): Promise<void> {
    const { partitions } = await this.client.admin.describeTopic(TOPIC);
    const victim = leaderOfMost(partitions);
    if (victim === null) throw new VarveError("INTERNAL", { message: "no partition has a leader", effect: "NONE" });
    this.partitions = partitions;
    this.victim = victim;
  }

  kill(nowMs: number): void {
    assert(this.victim > 0, "aim comes before kill");
    this.brokers.kill(this.victim);
    this.victimWorker = this.group.killBusiest();
    this.watch.killed(this.victim, this.partitions, nowMs);
    this.say(`kill -9 of broker ${this.victim}, which leads most partitions, and of ${this.victimWorker}`);
  }

  restart(): void {
    this.say(`broker ${this.victim} starts again`);
    this.restarted = this.brokers.restart(this.victim);
    this.restarted.catch(() => {}); // Awaited after the last record; must not end the process before.
  }

  acknowledged({ partition, epoch }: { readonly partition: number; readonly epoch: number }, nowMs: number): void {
    this.watch.acknowledged(partition, epoch, nowMs);
  }
}
