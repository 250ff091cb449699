/**
 * loads.ts: the loads of one scenario: started, told of each step, stopped and judged together.
 */
import { join } from "node:path";
import { judge, type LoadHandle, type LoadVerdict } from "./cluster/load-handle.js";
import { until, type World } from "./cluster/runner.js";
import type { Gaps } from "./load/plan.js";
import type { StepRow } from "./scenarios/scenario.js";

/** A partition that waits at the end of a step acknowledges again within this, or its gap is what it is. */
const SETTLED_MS = 30_000;

export class Loads {
  readonly rows: StepRow[] = [];
  private readonly all: LoadHandle[] = [];

  constructor(
    private readonly world: World,
    /** For histories. */
    private readonly folder: string,
    private readonly steadyMs: number,
  ) {}

  /** The node that one of them needs; null: none. */
  get node(): string | null {
    return this.all.find(({ node }) => node !== null)?.node ?? null;
  }

  async add(load: LoadHandle): Promise<void> {
    this.all.push(load);
    await this.world.pause(this.steadyMs);
  }

  /** Runs `act` as a fault of every load's history. @returns the gaps from its begin to a while after its end. */
  async step(step: string, target: unknown, act: () => Promise<unknown>): Promise<readonly StepRow[]> {
    for (const load of this.all) await load.begin(step, target);
    const beganMs = this.world.nowMs();
    try {
      await act();
    } finally {
      for (const load of this.all) await load.end().catch(() => {}); // The step's own failure says more.
    }
    const seconds = (this.world.nowMs() - beganMs) / 1_000;
    await this.world.pause(this.steadyMs);
    const rows: StepRow[] = [];
    for (const load of this.all) rows.push({ step, load: load.name, gaps: await this.settled(load), seconds });
    this.rows.push(...rows);
    return rows;
  }

  /** Stops and judges all of them. `name` begins the names of their files. */
  async judge(name: string): Promise<readonly LoadVerdict[]> {
    const verdicts: LoadVerdict[] = [];
    for (const load of this.all) {
      const end = await load.stop();
      const file = await load.fetchHistory(join(this.folder, `${name}-${load.name}.jsonl.gz`));
      verdicts.push(judge(load.name, end, file));
    }
    return verdicts;
  }

  async remove(): Promise<void> {
    for (const load of this.all.splice(0)) await load.remove();
  }

  /** Gaps, once no partition waits longer than it did. */
  private async settled(load: LoadHandle): Promise<Gaps> {
    const sum = (gaps: Gaps): number => gaps.reduce((total, { ms }) => total + ms, 0);
    let last = (await load.status()).gaps;
    const look = async (): Promise<true | string> => {
      const { gaps } = await load.status();
      const isOver = sum(gaps) === sum(last);
      last = gaps;
      return isOver || "a partition waits";
    };
    await until(this.world, "acknowledgements in all partitions", SETTLED_MS, look).catch(() => {});
    return last;
  }
}
