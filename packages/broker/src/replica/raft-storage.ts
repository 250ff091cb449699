/**
 * raft-storage.ts: a log as the Raft core's storage; a snapshot carries the log's own form of it along.
 */
import type { RaftIndex } from "@varve/base";
import { decodeSnapshot, type GroupLog, type LogSnapshot } from "@varve/storage";
import type { Message, RaftStorage, Snapshot } from "raft-ts";

export interface ReplicaSnapshot extends Snapshot {
  readonly log: LogSnapshot;
}

/** @param load reads entries into memory that the core asked for and that are not there; the core asks again. */
export function raftStorage(
  log: GroupLog,
  load: (lo: RaftIndex, hi: RaftIndex, bytesMax: number) => void,
): RaftStorage {
  return {
    initialState: () => ({ hardState: log.hardState, confState: log.replicas }),
    firstIndex: () => log.firstIndex(),
    lastIndex: () => log.lastIndex(),
    term: (index) => log.term(index),
    entries: (lo, hi, bytesMax) => {
      const entries = log.entries(lo, hi, bytesMax);
      if (entries === "pending") load(lo, hi, bytesMax);
      return entries;
    },
    snapshot: () => {
      const snapshot = log.snapshot();
      return snapshot === "pending" ? snapshot : raftSnapshot(snapshot);
    },
  };
}

function raftSnapshot(snapshot: LogSnapshot): ReplicaSnapshot {
  const { index, term, replicas } = snapshot;
  return { metadata: { index, term, confState: replicas }, data: snapshot.encoded, log: snapshot };
}

/** A snapshot from the wire is checked before the core may see it. */
export function withLogSnapshot(message: Message): Message {
  if (message.snapshot === null || message.snapshot.metadata.index === 0) return message;
  return { ...message, snapshot: raftSnapshot(decodeSnapshot(message.snapshot.data)) };
}
