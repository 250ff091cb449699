/**
 * breakage.ts: broken variants of the code under test. A suite that does not catch them would catch nothing.
 *
 * Some are switches that the shipped code has for simulators; most replace a method of one object, or a promise of the disk, from outside.
 */
import type { Disk, WalThread } from "@varve/base";
import { type BrokerPorts, Coordinator, type Replica, type StateMachine } from "@varve/broker/testing";
import type { GroupLog } from "@varve/storage";
import type { Message, RawNode } from "raft-ts";
import { commitWithoutFence, forgetProducers, withoutJoint } from "./breakages.js";
import { wrap } from "./wrap.js";

export const VARIANTS = [
  "ack-before-fsync",
  "vote-not-persisted",
  "commit-old-term",
  "read-without-noop",
  "truncate-on-crc-error",
  "config-change-without-overlap",
  "dedup-in-memory",
  "commit-without-fence",
  "stale-flush-ack",
  "directory-not-synced",
  "high-watermark-from-follower",
  "wiped-disk-keeps-identity",
  "wal-freed-early",
  "checkpoint-without-joint",
  "read-before-applied",
] as const;
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
  ports(ports: DiskPorts): DiskPorts;
  /** A log before anything is told of it. */
  onLog(log: GroupLog): void;
  /** What runs on a log. */
  onStateMachine(stateMachine: StateMachine): void;
  onReplica(replica: Replica): void;
}

export function breakageOf(variant: Variant | null): Breakage {
  return {
    variant,
    faults: {
      ackBeforeFsync: variant === "ack-before-fsync",
      voteNotPersisted: variant === "vote-not-persisted",
      commitOldTerm: variant === "commit-old-term",
      truncateOnCrcError: variant === "truncate-on-crc-error",
      walFreedEarly: variant === "wal-freed-early",
      emptiedIsNew: variant === "wiped-disk-keeps-identity",
    },
    ports: (ports) => (variant === "directory-not-synced" ? withoutDirectorySync(ports) : ports),
    onLog: (log) => {
      if (variant === "dedup-in-memory") forgetProducers(log);
      if (variant === "checkpoint-without-joint") withoutJoint(log);
    },
    onStateMachine: (stateMachine) => {
      if (variant === "commit-without-fence" && stateMachine instanceof Coordinator) commitWithoutFence(stateMachine);
    },
    onReplica: (replica) => {
      if (variant === "read-without-noop") wrap(replica, "isReadyLeader", () => () => replica.isLeader());
      if (variant === "high-watermark-from-follower")
        wrap(replica, "step", (step) => (message) => step(commitAll(message)));
      if (variant === "config-change-without-overlap") changeAtOnce(replica);
      if (variant === "read-before-applied") readBeforeApplied(replica);
      if (variant === "stale-flush-ack") acknowledgeStale(replica);
    },
  };
}

function withoutDirectorySync({ disk, walThread }: DiskPorts): DiskPorts {
  wrap(disk, "syncDir", () => () => Promise.resolve());
  return { disk, walThread };
}

/** A follower takes all that an append brings for committed. */
function commitAll(message: Message): Message {
  const last = message.entries[message.entries.length - 1];
  return message.type === "MsgApp" && last !== undefined ? { ...message, commit: last.index } : message;
}

/** Each part of a change counts by itself, one right after the other, with no joint configuration between the old one and the new one. */
function changeAtOnce(replica: Replica): void {
  wrap(replica.node, "applyConfChange", (apply) => (change) => {
    if (!("changes" in change) || change.changes.length < 2) return apply(change);
    const states = change.changes.map((one) => apply({ ...change, transition: "auto", changes: [one] }));
    return states[states.length - 1] ?? apply(change);
  });
}

/** A confirmed read is answered at once, whether its index is applied here or not. */
function readBeforeApplied(replica: Replica): void {
  const waiters = Reflect.get(replica, "readWaiters") as Map<number, (index: number) => void>;
  Object.defineProperty(replica, "finishRead", {
    value: (context: number, index: number) => {
      const resolve = waiters.get(context);
      waiters.delete(context);
      resolve?.(index);
    },
  });
}

/** A flush is known by its last index alone: it speaks for what stands there when it ends, in the term of that moment, to that term's leader. */
function acknowledgeStale(replica: Replica): void {
  const { node, log } = replica;
  const covered = (message: Message): number => Math.min(message.index, log.lastIndex());
  const fresh = (message: Message): Message => {
    if (message.type !== "MsgStorageAppendResp" || message.index === 0) return message;
    const index = covered(message);
    const term = log.term(index);
    return typeof term === "number" ? { ...message, index, logTerm: term, term: node.term } : message;
  };
  wrap(node, "step", (step: RawNode["step"]) => (message: Message) => step(fresh(message)));
  // What the flush answers to others is in the hands of the replica.
  const deliver = Reflect.get(replica, "deliver") as (message: Message) => void;
  const readdressed = (message: Message): Message => {
    if (message.type !== "MsgAppResp" || message.reject || message.term === node.term || node.leader === 0)
      return message;
    return { ...message, index: covered(message), term: node.term, to: node.leader };
  };
  Object.defineProperty(replica, "deliver", {
    value: (message: Message) => deliver.call(replica, readdressed(message)),
  });
}
