/**
 * shell.ts: what a command is given of the process around it. Nothing else in a command reaches for `process`, so that tests run
 * commands in memory.
 */
import type { Readable } from "node:stream";
import type { VarveError } from "@varve/base";
import type { TlsOptions, Varve } from "@varve/client";
import type { Environment } from "./environment.js";
import type { Output } from "./output.js";
import { type Style, styleFor } from "./style.js";

/** What commands use of a connection to a cluster. */
export type ClusterClient = Pick<Varve, "admin" | "producer" | "reader" | "consumer" | "close">;

export interface ConnectOptions {
  /** For how long a call is tried, milliseconds. Default: the SDK's. */
  readonly requestDeadlineMs?: number;
}

/** Why a command is asked to end before it is done; an error: stdout takes no more, and that is a failure. */
export type StopReason = "interrupted" | "pipe-closed" | VarveError;

export interface Shell {
  readonly stdin: Readable;
  /** Data. */
  readonly stdout: Output;
  /** Progress and messages. */
  readonly stderr: Output;
  readonly env: Environment;
  /** Aborted, with a StopReason, by Ctrl-C, SIGTERM, or when stdout takes no more. */
  readonly stop: AbortSignal;
  /** Loads and opens a client; it connects at its first call. Commands that need no cluster do not pay for it. */
  readonly connect: (
    bootstrap: readonly string[],
    tls: TlsOptions | null,
    options?: ConnectOptions,
  ) => Promise<ClusterClient>;
}

/** Options that every command understands. */
export interface GlobalOptions {
  readonly json: boolean;
  readonly bootstrap: readonly string[];
  /** How to speak TLS with the brokers; null: plain. */
  readonly tls: TlsOptions | null;
}

export function stopReason(shell: Shell): StopReason | null {
  return shell.stop.aborted ? (shell.stop.reason as StopReason) : null;
}

/** Resolves when the command is asked to end. */
export function stopped(shell: Shell): Promise<void> {
  return new Promise((resolve) => {
    if (shell.stop.aborted) resolve();
    else shell.stop.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Runs `work` with a client of its own, which is closed in any case. */
export async function withCluster<T>(
  shell: Shell,
  options: GlobalOptions,
  work: (client: ClusterClient) => Promise<T>,
  connection: ConnectOptions = {},
): Promise<T> {
  const client = await shell.connect(options.bootstrap, options.tls, connection);
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

/** One result: an object on a line of its own with --json, else the text made by `human`. */
export function printResult(shell: Shell, json: boolean, result: object, human: (style: Style) => string): void {
  void shell.stdout.write(json ? `${JSON.stringify(result)}\n` : human(styleFor(shell.stdout, shell.env)));
}

/** A remark for people; programs that asked for --json get none. */
export function note(shell: Shell, json: boolean, text: string): void {
  if (!json) void shell.stderr.write(`${text}\n`);
}
