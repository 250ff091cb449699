/** test-cluster.ts: what a test can do to a cluster, and what it can ask it. */
import type { BrokerId, Logger } from "@varve/base";
import type { Varve, VarveOptions } from "@varve/client";

export interface StartClusterOptions {
  /** 1 .. 9, default 3. Their ids are 1, 2, ... */
  readonly brokers?: number | undefined;
  /** Settings of every broker, shaped as in a broker's configuration file. */
  readonly config?: Readonly<Record<string, unknown>> | undefined;
  /** Lines of all brokers; default: none. */
  readonly logger?: Logger | undefined;
  /** Give up when the brokers are not ready by then, milliseconds; default 30,000. */
  readonly timeoutMs?: number | undefined;
  /** Draws what a kill takes of the state that coordinators of groups have materialised. Integer >= 0, default 1: each run draws the same. */
  readonly seed?: number | undefined;
}

/** Where clients stand while the brokers are divided; those of the other side they do not reach. `both`: they reach every broker. */
export type ClientSide = "left" | "right" | "both";

export interface PartitionOptions {
  /** Default: the side with more brokers; of two equal ones the right. */
  readonly clients?: ClientSide | undefined;
}

/** A running test cluster. Close it, or the process does not end. */
export interface TestCluster {
  /** Addresses of all brokers, for `new Varve({ bootstrap })`. */
  readonly bootstrap: string[];
  readonly brokerIds: readonly BrokerId[];
  /** A connected client; `close` closes it too. */
  varve(options?: Omit<VarveOptions, "bootstrap">): Varve;
  /** Ends a broker as a power cut does: unsynced bytes are gone. */
  kill(brokerId: BrokerId): Promise<void>;
  /** Ends a broker in order: leaderships move away first. */
  stop(brokerId: BrokerId): Promise<void>;
  /**
   * Starts a killed or stopped broker on its disk; resolves when it is ready. Where fewer than a majority of the brokers run, none can
   * be: then it resolves when the broker listens, and the brokers become ready as others follow.
   */
  restart(brokerId: BrokerId): Promise<void>;
  /**
   * Divides the network until `heal`: nothing passes between the two sides, either way, and nobody is told. Clients stand on one side. Brokers
   * in neither list reach everyone. Cuts add up.
   * @throws VarveError INVALID_ARGUMENT: no such broker, or one on both sides; nothing was cut.
   */
  partition(left: readonly BrokerId[], right: readonly BrokerId[], options?: PartitionOptions): void;
  /** Everything passes again; what was held goes through first. */
  heal(): void;
  /** A running broker's metrics, as its operators' port shows them. */
  metrics(brokerId: BrokerId): Promise<string>;
  close(): Promise<void>;
}
