/** fabric.ts: the network that brokers and clients of a run share, as faults see it: proxies in this process, or namespaces of the system. */
import type { BrokerPlace } from "varve";
import type { LinkState } from "./directed-link.js";

/** The number of every client in links. Brokers have theirs, from 1. */
export const CLIENTS = 0;

export interface Fabric {
  /** Where others reach each broker. */
  readonly outer: readonly BrokerPlace[];
  /** Where each broker listens. */
  readonly inner: readonly BrokerPlace[];
  /** What stands before a broker's command, so that it runs in the right network. */
  launcher(id: number): readonly string[];
  /** Resolves when brokers can be started. */
  open(): Promise<void>;
  /** A broker's process lives or has died; resolves when it shows, which for one that lives is when it listens. */
  setAlive(id: number, isAlive: boolean): Promise<void>;
  /** One direction; `CLIENTS` is every client. */
  change(from: number, to: number, state: LinkState): Promise<void>;
  /** Both directions between two groups; default: held. */
  divide(left: readonly number[], right: readonly number[], state?: LinkState): Promise<void>;
  /** Every link is open again. */
  heal(): Promise<void>;
  /** Breaks every connection to a broker, where that is possible. */
  reset(id: number): void;
  close(): void;
}
