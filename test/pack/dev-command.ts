/**
 * dev-command.ts: `npx varve dev` as a user starts it in a folder of his own, with processes that surely end.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import type { DevFile } from "varve";
import { freeBasePort } from "../integration/ports.js";
import { devFileOf, isAlive, until } from "../integration/varve-process.js";

export class DevCommand {
  private readonly child: ChildProcess;
  private readonly output: Buffer[] = [];
  private readonly folder: string;
  private seen: DevFile | null = null;

  private constructor(child: ChildProcess, folder: string) {
    this.child = child;
    this.folder = folder;
    child.stdout?.on("data", (chunk: Buffer) => this.output.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => this.output.push(chunk));
  }

  /** One broker on free ports, its data in the folder's .varve. */
  static async start(folder: string): Promise<DevCommand> {
    const port = await freeBasePort(1);
    // A process group of its own, so that npm's processes can be ended with it.
    const child = spawn("npx", ["varve", "dev", "--brokers", "1", "--port", `${port}`], {
      cwd: folder,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    return new DevCommand(child, folder);
  }

  /** What dev.json says, as soon as the broker is ready. */
  async ready(): Promise<DevFile> {
    return until("varve dev is ready", () => {
      if (this.child.exitCode !== null) throw new Error(`varve dev ended: ${Buffer.concat(this.output).toString()}`);
      this.seen = devFileOf(join(this.folder, ".varve"));
      return this.seen;
    });
  }

  /** Resolves when the command, npm's processes around it and its broker are gone. */
  async stop(): Promise<void> {
    const pids = [this.seen?.pid, ...(this.seen?.brokers ?? []).map(({ pid }) => pid), this.child.pid];
    const living = (): number[] => pids.filter((pid): pid is number => pid !== undefined && isAlive(pid));
    try {
      if (this.seen === null) this.signalGroup("SIGTERM");
      else if (isAlive(this.seen.pid)) process.kill(this.seen.pid, "SIGTERM");
      await until("varve dev has ended", () => (living().length === 0 ? true : null));
    } finally {
      for (const pid of living()) process.kill(pid, "SIGKILL");
      this.signalGroup("SIGKILL");
    }
  }

  private signalGroup(signal: NodeJS.Signals): void {
    try {
      if (this.child.pid !== undefined) process.kill(-this.child.pid, signal);
    } catch {
      // Nobody is left in it.
    }
  }
}
