/** helm.ts: one release of the chart, by the commands that the runbooks name. */
import { CommandFailed, type RunOptions, type RunResult, type World } from "./runner.js";

/** By key as `--set` takes them, of the types that the chart's schema asks for. */
export type Values = Readonly<Record<string, string | number | boolean>>;

const WAIT_MS = 600_000;

export class Helm {
  constructor(
    private readonly world: World,
    private readonly chart: string,
    readonly namespace: string,
    readonly release = "varve",
  ) {}

  /** Installs, and waits until everything is ready. @throws CommandFailed. */
  install(values: Values, files: readonly string[] = []): Promise<string> {
    const args = ["install", this.release, this.chart, "--create-namespace", "--wait", "--timeout", "10m"];
    return this.run([...args, ...valueArgs(values, files)], { timeoutMs: WAIT_MS + 30_000 });
  }

  /** Makes the release what the values say, whatever it was; does not wait. */
  setTo(values: Values): Promise<string> {
    const args = ["upgrade", this.release, this.chart, "--install", "--create-namespace", "--reset-values"];
    return this.run([...args, ...valueArgs(values, [])], { timeoutMs: WAIT_MS });
  }

  /** Changes single values; does not wait. */
  async upgrade(values: Values): Promise<string> {
    const result = await this.attemptUpgrade(values);
    if (result.code !== 0) throw new CommandFailed(this.argv(this.upgradeArgs(values)), result);
    return result.stdout;
  }

  attemptUpgrade(values: Values): Promise<RunResult> {
    return this.world.run(this.argv(this.upgradeArgs(values)), { timeoutMs: WAIT_MS });
  }

  rollback(): Promise<string> {
    return this.run(["rollback", this.release], { timeoutMs: WAIT_MS });
  }

  test(): Promise<string> {
    return this.run(["test", this.release, "--timeout", "3m"], { timeoutMs: 240_000 });
  }

  /** What `install` printed. */
  notes(): Promise<string> {
    return this.run(["get", "notes", this.release]);
  }

  /** Removes the release; one that is not there is no failure. */
  async uninstall(): Promise<void> {
    await this.world.run(this.argv(["uninstall", this.release, "--timeout", "5m"]), { timeoutMs: 330_000 });
  }

  private upgradeArgs(values: Values): string[] {
    return ["upgrade", this.release, this.chart, "--reuse-values", ...valueArgs(values, [])];
  }

  private async run(args: readonly string[], options: RunOptions = {}): Promise<string> {
    const argv = this.argv(args);
    const result = await this.world.run(argv, options);
    if (result.code !== 0) throw new CommandFailed(argv, result);
    return result.stdout;
  }

  private argv(args: readonly string[]): string[] {
    return ["helm", "--namespace", this.namespace, ...args];
  }
}

function valueArgs(values: Values, files: readonly string[]): string[] {
  return [
    ...files.flatMap((file) => ["--values", file]),
    ...Object.entries(values).flatMap(([key, value]) =>
      // A string stays one, also where it looks like a number, as a tag may; a comma would begin the next key.
      typeof value === "string"
        ? ["--set-string", `${key}=${value.replace(/[\\,]/g, "\\$&")}`]
        : ["--set", `${key}=${value}`],
    ),
  ];
}
