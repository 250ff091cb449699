/**
 * wal-thread.ts: the port to the one place where writes become durable before an acknowledgement.
 *
 * Commands run one after another with synchronous system calls, away from everything else the process does with files.
 * Invariants of every implementation:
 *   W1  one `run` at a time; its commands run in order, and none after one that failed
 *   W2  `done(null)` is called only after every command has returned; a `sync` then made all earlier writes of that file durable
 *   W3  `staging` is read only between `run` and its `done`; outside that time it belongs to the caller
 */

/** Files are named by numbers that the caller chooses and that stay valid from `open` to `close`. */
export type WalCommand =
  /** Opens an existing file for writing. */
  | { readonly kind: "open"; readonly file: number; readonly path: string }
  /** Writes the first `bytes` bytes of `staging` at `position`. */
  | { readonly kind: "write"; readonly file: number; readonly position: number; readonly bytes: number }
  /** fdatasync. */
  | { readonly kind: "sync"; readonly file: number }
  | { readonly kind: "close"; readonly file: number };

export interface WalThread {
  /** What `write` commands write from; filled by the caller, so that no bytes are copied between threads. */
  readonly staging: Uint8Array;
  /** Starts the commands; calls `done` once, later, with the first failure or null. A failure is final. */
  run(commands: readonly WalCommand[], done: (error: Error | null) => void): void;
  /** Ends the thread after the commands that run; closes its files. */
  close(): Promise<void>;
}
