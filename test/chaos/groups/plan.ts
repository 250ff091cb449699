/** plan.ts: what a worker process is told, and the one thing beside events that it says. */
import type { TlsOptions } from "@varve/client";

/**
 * `auto`: a handler, several records at once, the SDK commits what is finished. `manual`: one record after another, and the program commits,
 * so that the history knows of every commit.
 */
export type GroupMode = "auto" | "manual";

export interface WorkerPlan {
  readonly bootstrap: string;
  /** Begins the names of its members in the history; no other worker has it. */
  readonly name: string;
  readonly group: string;
  readonly topic: string;
  readonly mode: GroupMode;
  readonly staticId: string | null;
  readonly sessionTimeoutMs: number;
  /** How many members the process is. */
  readonly members: number;
  readonly seed: number;
  /** As the client takes it; null: plain text. */
  readonly tls: TlsOptions | null;
}

/** How a member ended; null: closed in order. */
export interface WorkerEnd {
  readonly ended: string;
  readonly code: string | null;
  readonly message: string;
}
