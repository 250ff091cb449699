/**
 * honest.ts: what a client that does nothing wrong notices while others attack.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";

const CHILD = fileURLToPath(new URL("./honest-child.mjs", import.meta.url));
/** Below this a p99 says more about who else uses the machine than about the broker. */
const FLOOR_MS = 250;
const RATIO_MAX = 2;
const BEFORE_MS = 500;
const ATTEMPTS = 3;

export interface Figures {
  readonly count: number;
  readonly p50Ms: number;
  /** Of no calls: null, which no comparison holds for. */
  readonly p99Ms: number;
  readonly failures: readonly string[];
}

export class HonestClient {
  readonly #child: ChildProcess;
  readonly #lines: Interface;

  constructor(address: string) {
    this.#child = spawn(process.execPath, [CHILD, address], { stdio: ["pipe", "pipe", "inherit"] });
    if (this.#child.stdout === null) throw new Error("a child with pipes has an output");
    this.#lines = createInterface({ input: this.#child.stdout });
  }

  /** What happened since the last time this was asked. */
  async figures(): Promise<Figures> {
    const line = new Promise<string>((resolve) => this.#lines.once("line", resolve));
    this.#child.stdin?.write("\n");
    return JSON.parse(await line) as Figures;
  }

  /**
   * Runs the attack, and asserts that this client's calls all succeed, at a p99 within twice that of before. Somebody else on the machine can
   * spoil a measurement, so that it is made again; an attack that harms does so each time. `prepare` brings the attack up, each time, and is
   * not measured: what clients ask for is work, as long as they may ask.
   */
  async unharmedBy(attack: () => Promise<void>, what: string, prepare?: () => Promise<void>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      await this.figures();
      await new Promise((resolve) => setTimeout(resolve, BEFORE_MS)); // A time to measure, not to wait for a state.
      const before = await this.figures();
      await prepare?.();
      const { failures } = await this.figures();
      expect(failures, what).toEqual([]);
      await attack();
      const during = await this.figures();
      console.log(`${what}: p99 ${text(before)} before, ${text(during)} during`);
      expect(during.failures, what).toEqual([]);
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

function text({ p99Ms, count }: Figures): string {
  return `${p99Ms?.toFixed(1)} ms (${count} calls)`;
}
