/** memory-shell.ts: a shell in memory, so that tests run whole command lines without a process or a cluster. */
import { Readable } from "node:stream";
import type { TlsOptions } from "@varve/client";
import { run } from "../run.js";
import type { Environment } from "../shell/environment.js";
import type { Output } from "../shell/output.js";
import type { ClusterClient } from "../shell/shell.js";

/** Collects what is written, as long as its reader is there. */
export class MemoryOutput implements Output {
  readonly isTerminal: boolean;
  private readonly chunks: Buffer[] = [];
  private readonly onClosed: () => void;
  private readonly closesAfter: number;
  private isClosed = false;

  /** @param closesAfter so many writes are taken; at the next one the reader is found gone, and `onClosed` is called. */
  constructor(isTerminal = false, closesAfter = Number.POSITIVE_INFINITY, onClosed = (): void => {}) {
    this.isTerminal = isTerminal;
    this.closesAfter = closesAfter;
    this.onClosed = onClosed;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get text(): string {
    return this.bytes.toString();
  }

  write(data: string | Uint8Array): undefined {
    if (this.isClosed) return;
    if (this.chunks.length < this.closesAfter) this.chunks.push(Buffer.from(data));
    else {
      this.isClosed = true;
      this.onClosed();
    }
  }

  flush(): Promise<boolean> {
    return Promise.resolve(!this.isClosed);
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
  /** Default: one that takes everything at once. */
  readonly stdout?: MemoryOutput;
  /** The reader of the default stdout goes away after so many writes. */
  readonly stdoutClosesAfter?: number;
}

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stdoutBytes: Buffer;
  readonly stderr: string;
  /** Addresses that the command connected to; null: it did not. */
  readonly bootstrap: readonly string[] | null;
  /** How it was to speak TLS; null: not at all. */
  readonly tls: TlsOptions | null;
}

/** Runs `varve ARGS`. */
export async function runCommand(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const { client = {}, stdin = "", env = {}, isTerminal = false } = options;
  const pipe = new AbortController();
  const onClosed = (): void => pipe.abort("pipe-closed");
  const stdout = options.stdout ?? new MemoryOutput(isTerminal, options.stdoutClosesAfter, onClosed);
  const stderr = new MemoryOutput(isTerminal);
  let bootstrap: readonly string[] | null = null;
  let tls: TlsOptions | null = null;
  const code = await run(
    args,
    {
      stdin: stdin instanceof Readable ? stdin : Readable.from([Buffer.from(stdin)], { objectMode: false }),
      stdout,
      stderr,
      env,
      stop: options.stop ?? pipe.signal,
      connect: async (addresses, options) => {
        bootstrap = addresses;
        tls = options;
        return { close: async () => {}, ...client } as unknown as ClusterClient;
      },
    },
    "1.2.3",
  );
  return { code, stdout: stdout.text, stdoutBytes: stdout.bytes, stderr: stderr.text, bootstrap, tls };
}
