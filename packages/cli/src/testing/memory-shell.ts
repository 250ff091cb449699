/** memory-shell.ts: a shell in memory, so that tests run whole command lines without a process or a cluster. */
import { Readable } from "node:stream";
import { run } from "../run.js";
import type { Environment } from "../shell/environment.js";
import type { Output } from "../shell/output.js";
import type { ClusterClient } from "../shell/shell.js";

/** Collects what is written. */
export class MemoryOutput implements Output {
  readonly isTerminal: boolean;
  private readonly chunks: Buffer[] = [];

  constructor(isTerminal = false) {
    this.isTerminal = isTerminal;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get text(): string {
    return this.bytes.toString();
  }

  write(data: string | Uint8Array): undefined {
    this.chunks.push(Buffer.from(data));
    return undefined;
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }
}

export interface CommandOptions {
  /** What the fake cluster does; a call that it lacks fails the test. */
  readonly client?: object;
  /** A stream stays open as long as it likes. */
  readonly stdin?: string | Uint8Array | Readable;
  readonly env?: Environment;
  readonly isTerminal?: boolean;
  readonly stop?: AbortSignal;
}

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stdoutBytes: Buffer;
  readonly stderr: string;
  /** Addresses that the command connected to; null: it did not. */
  readonly bootstrap: readonly string[] | null;
}

/** Runs `varve ARGS`. */
export async function runCommand(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const { client = {}, stdin = "", env = {}, isTerminal = false } = options;
  const stdout = new MemoryOutput(isTerminal);
  const stderr = new MemoryOutput(isTerminal);
  let bootstrap: readonly string[] | null = null;
  const code = await run(
    args,
    {
      stdin: stdin instanceof Readable ? stdin : Readable.from([Buffer.from(stdin)], { objectMode: false }),
      stdout,
      stderr,
      env,
      stop: options.stop ?? new AbortController().signal,
      connect: async (addresses) => {
        bootstrap = addresses;
        return { close: async () => {}, ...client } as unknown as ClusterClient;
      },
    },
    "1.2.3",
  );
  return { code, stdout: stdout.text, stdoutBytes: stdout.bytes, stderr: stderr.text, bootstrap };
}
