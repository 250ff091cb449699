/** group-cluster.ts: a simulated cluster that coordinates groups, for whole command lines in simulated time. */
import { Prng } from "@varve/base/testing";
import type { ConsumerOptions } from "@varve/client";
import { type ModelCluster, type ModelGroups, SimClient } from "@varve/client/testing";
import { type CommandOptions, type CommandResult, runCommand } from "./memory-shell.js";

/** Three brokers with topic `t`. */
export class GroupCluster {
  readonly sim = new SimClient({ prng: new Prng(7) });
  private sent = 0;

  constructor(partitions = 1) {
    this.sim.model.createTopic("t", partitions);
  }

  get groups(): ModelGroups {
    return this.sim.groups;
  }

  get model(): ModelCluster {
    return this.sim.model;
  }

  /** Appends these records to `t`, each with its key; values are `v0`, `v1`, ... in the order of sending. */
  async fill(keys: readonly (string | null)[]): Promise<void> {
    const producer = this.sim.varve.producer({ lingerMs: 0 });
    const from = this.sent;
    this.sent += keys.length;
    const records = keys.map((key, at) => ({ key, value: `v${from + at}` }));
    await this.sim.run(producer.sendBatch({ topic: "t", records }));
    await this.sim.run(producer.close());
  }
  /** Runs a command line as a process of its own. */
  command(args: readonly string[], options: Omit<CommandOptions, "client"> = {}): Promise<CommandResult> {
    const varve = this.sim.another();
    const client = {
      admin: varve.admin,
      consumer: (asked: ConsumerOptions) => varve.consumer(asked),
      close: () => varve.close(),
    };
    return runCommand(args, { ...options, client });
  }

  /** A command line that ends by itself. */
  run(args: readonly string[], options: Omit<CommandOptions, "client"> = {}): Promise<CommandResult> {
    return this.sim.run(this.command(args, options));
  }

  /** Waits until it is so, at most a minute of simulated time. */
  async until(isSo: () => boolean): Promise<void> {
    const { clock } = this.sim;
    const giveUpAtMs = clock.monotonicMs() + 60_000;
    while (!isSo()) {
      if (clock.monotonicMs() > giveUpAtMs) throw new Error(`it never became so: ${isSo.toString()}`);
      await clock.runUntil(clock.monotonicMs() + 5);
    }
  }
}
