/**
 * breakage.ts: broken variants of the code under test. A suite that does not catch them would catch nothing.
 *
 * Some are switches that the shipped code has for simulators; the others replace a method, or a promise of the disk, from outside.
 */
import type { Disk, WalThread } from "@varve/base";
import type { BrokerPorts, Replica } from "@varve/broker/testing";
import type { GroupLog } from "@varve/storage";

export const VARIANTS = ["ack-before-fsync", "vote-not-persisted", "commit-old-term"] as const;
export type Variant = (typeof VARIANTS)[number];

export interface DiskPorts {
  readonly disk: Disk;
  readonly walThread: WalThread;
}

/** How the code is broken in a run. */
export interface Breakage {
  readonly variant: Variant | null;
  /** Switches of the shipped code. */
  readonly faults: NonNullable<BrokerPorts["faults"]>;
  /** The ports of a machine. */
  ports(name: string, ports: DiskPorts): DiskPorts;
  onLog(log: GroupLog): void;
  onReplica(replica: Replica): void;
}

export function breakageOf(variant: Variant | null): Breakage {
  return {
    variant,
    faults: {
      ackBeforeFsync: variant === "ack-before-fsync",
      voteNotPersisted: variant === "vote-not-persisted",
      commitOldTerm: variant === "commit-old-term",
    },
    ports: (_name, ports) => ports,
    onLog() {},
    onReplica() {},
  };
}
