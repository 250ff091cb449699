/**
 * wal-thread.ts: the port to the one place where writes become durable before an acknowledgement.
 *
 * Commands run one after another, away from everything else this process does with files.
 */

export type WalCommand =
  /** Opens (makes, when absent) a file; later commands name it by `file`. `reserveBytes`: its size at least. */
  | {
      readonly kind: "open";
      readonly file: number;
      readonly path: string;
      readonly dir: string;
      readonly reserveBytes: number;
    }
  /** Writes the buffers at `position`, then fdatasync. */
  | {
      readonly kind: "flush";
      readonly file: number;
      readonly position: number;
      readonly buffers: readonly Uint8Array[];
    }
  | { readonly kind: "close"; readonly file: number };

export interface WalThread {
  /** Resolves when the command is done (a flush: durable). A rejection is final: nothing after it becomes durable. */
  run(command: WalCommand): Promise<void>;
  close(): Promise<void>;
}
