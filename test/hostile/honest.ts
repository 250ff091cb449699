/**
 * honest.ts: what a client that does nothing wrong notices while others attack.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { until } from "../integration/varve-process.js";
import type { BrokerProcess } from "./broker-process.js";

const CHILD = fileURLToPath(new URL("./honest-child.mjs", import.meta.url));
/** Below this a p99 says more about the collector and the disk than about the broker. */
const FLOOR_MS = 100;
const RATIO_MAX = 2;
const BEFORE_MS = 500;
/** Of fewer calls a p99 says little; a busy machine needs more time for them. */
const BEFORE_CALLS = 20;
const ATTEMPTS = 3;
/** Of any call, also while an attack is brought up. */
const CALL_MS_MAX = 10_000;

/** Times are told without waits for a processor (honest-child.mjs). */
export interface Figures {
  readonly count: number;
  readonly p50Ms: number;
  /** Of no calls: null, which no comparison holds for. */
  readonly p99Ms: number;
  /** Of the longest call; null: there were none. */
  readonly mostMs: number | null;
  /** With waits for a processor. */
  readonly wallP99Ms: number;
  readonly failures: readonly string[];
}

export class HonestClient {
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  #baseline: Figures | null = null;

  private constructor({ address, pid }: BrokerProcess) {
    this.#child = spawn(process.execPath, [CHILD, address, String(pid)], { stdio: ["pipe", "pipe", "inherit"] });
    if (this.#child.stdout === null) throw new Error("a child with pipes has an output");
    this.#lines = createInterface({ input: this.#child.stdout });
  }

  /** Resolves when it is at work. */
  static async of(broker: BrokerProcess): Promise<HonestClient> {
    const client = new HonestClient(broker);
    await until("the honest client is at work", async () => ((await client.figures()).count > 0 ? true : null));
    return client;
  }

  /** What happened since the last time this was asked. */
  figures(): Promise<Figures> {
    return this.#ask("begin anew");
  }

  /** After an attack its work may go on for a while; a baseline taken then would excuse the next one. */
  #quietest(before: Figures): Figures {
    if (this.#baseline === null || before.p99Ms < this.#baseline.p99Ms) this.#baseline = before;
    return this.#baseline;
  }

  async #ask(how: "begin anew" | "go on"): Promise<Figures> {
    const line = new Promise<string>((resolve) => this.#lines.once("line", resolve));
    this.#child.stdin?.write(`${how}\n`);
    return JSON.parse(await line) as Figures;
  }

  async #isMeasured(): Promise<true | null> {
    return (await this.#ask("go on")).count >= BEFORE_CALLS ? true : null;
  }

  /**
   * Runs the attack, and asserts that this client's calls all succeed, at a p99 within twice that of the
   * quietest time before any attack. The disk, which others use, too, can
   * spoil a measurement, so that it is made again; an attack that harms does so each time. `prepare` brings the attack up, each time, and is
   * not measured: what clients ask for is work, as long as they may ask.
   */
  async unharmedBy(attack: () => Promise<void>, what: string, prepare?: () => Promise<void>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      await this.figures();
      await new Promise((resolve) => setTimeout(resolve, BEFORE_MS)); // A time to measure, not to wait for a state.
      await until(`${BEFORE_CALLS} calls of an honest client`, () => this.#isMeasured());
      const before = this.#quietest(await this.figures());
      await prepare?.();
      const { failures, mostMs } = await this.figures();
      expect(failures, what).toEqual([]);
      expect(mostMs ?? 0, `${what}: the longest call while it is prepared`).toBeLessThan(CALL_MS_MAX);
      await attack();
      const during = await this.figures();
      console.log(`${what}: p99 ${text(before)} before, ${text(during)} during`);
      expect(during.failures, what).toEqual([]);
      expect(during.mostMs ?? 0, `${what}: the longest call`).toBeLessThan(CALL_MS_MAX);
      const isUnharmed = during.count > 0 && during.p99Ms <= Math.max(RATIO_MAX * before.p99Ms, FLOOR_MS);
      if (isUnharmed) return;
      if (attempt === ATTEMPTS) expect.fail(`${what}: p99 ${text(before)} before, ${text(during)} during`);
    }
  }

  close(): void {
    this.#child.stdin?.end();
    this.#child.kill("SIGKILL");
  }
}

function text({ p99Ms, wallP99Ms, count }: Figures): string {
  return `${p99Ms?.toFixed(1)} ms (${count} calls; ${wallP99Ms?.toFixed(1)} ms with waits for a processor)`;
}
