/**
 * errors.ts: the errors of one partition, worded once: what happened, whether the write took effect, what to do.
 */
import { type BrokerId, type Offset, type Term, VarveError } from "@varve/base";

/** How messages name a partition. */
export interface PartitionName {
  readonly topic: string;
  readonly partition: number;
}

function at({ topic, partition }: PartitionName): string {
  return `${topic}/${partition}`;
}

export function notLeader(name: PartitionName, leader: BrokerId | null, epoch: Term): VarveError {
  const where = leader === null ? "no leader is known now" : `broker ${leader} leads it`;
  return new VarveError("NOT_LEADER", {
    message: `this broker does not lead ${at(name)}, ${where}; nothing was written; refresh metadata and send it to the leader`,
    details: { topic: name.topic, partition: name.partition, leader, epoch },
  });
}

/** The leader that a call was sent to is none any more, and has not answered. */
export function leaderReplaced(
  name: PartitionName,
  asked: BrokerId,
  newer: { readonly broker: BrokerId; readonly term: Term },
  isRead: boolean,
): VarveError {
  const { broker, term } = newer;
  const details = { topic: name.topic, partition: name.partition, leader: broker, epoch: term };
  const what = `broker ${asked} did not answer for ${at(name)}, and broker ${broker} leads it now`;
  return isRead
    ? new VarveError("NOT_LEADER", { message: `${what}; ask that one`, details, effect: "NONE" })
    : new VarveError("COMMIT_UNKNOWN", {
        message: `${what}; what was sent may or may not be done; an idempotent producer may send it again`,
        details,
      });
}

export function noLeader(name: PartitionName, waitedMs: number): VarveError {
  return new VarveError("NOT_ENOUGH_REPLICAS", {
    message: `${at(name)} has had no leader for ${Math.round(waitedMs)} ms: a majority of its replicas is not reachable; nothing was written; retry`,
    details: { topic: name.topic, partition: name.partition },
    retryAfterMs: 250,
  });
}

export function shuttingDown(name: PartitionName): VarveError {
  return new VarveError("SHUTTING_DOWN", {
    message: `this broker is stopping and does not wait for a leader of ${at(name)}; nothing was written; ask another broker`,
    details: { topic: name.topic, partition: name.partition },
  });
}

export function commitUnknown(name: PartitionName, offset: Offset): VarveError {
  return new VarveError("COMMIT_UNKNOWN", {
    message: `leadership of ${at(name)} was lost before the batch at offset ${offset} was committed; it may or may not be in the log; an idempotent producer may send it again`,
    details: { topic: name.topic, partition: name.partition },
  });
}

export function replaced(name: PartitionName): VarveError {
  return new VarveError("NOT_LEADER", {
    message: `a new leader of ${at(name)} replaced the batch before it was committed; nothing was written; send it to the new leader`,
    details: { topic: name.topic, partition: name.partition, leader: null, epoch: 0 },
  });
}

export function commitTimeout(name: PartitionName, waitedMs: number): VarveError {
  return new VarveError("TIMEOUT", {
    message: `the batch for ${at(name)} was not acknowledged by a majority within ${Math.round(waitedMs)} ms; it may still be committed; an idempotent producer may send it again`,
    details: { topic: name.topic, partition: name.partition },
  });
}

export function outOfRange(name: PartitionName, offset: Offset, logStart: Offset, highWatermark: Offset): VarveError {
  const safeOffset = offset < logStart ? logStart : highWatermark;
  const why = offset < logStart ? `the log starts at ${logStart} now` : `the log ends at ${highWatermark}`;
  return new VarveError("OFFSET_OUT_OF_RANGE", {
    message: `offset ${offset} of ${at(name)} cannot be read: ${why}; read from ${safeOffset}, or choose earliest or latest`,
    details: { topic: name.topic, partition: name.partition, offset, logStart, highWatermark, safeOffset },
  });
}

export function diverged(name: PartitionName, safeOffset: Offset, logStart: Offset, highWatermark: Offset): VarveError {
  return new VarveError("DIVERGED", {
    message: `what was read of ${at(name)} in an earlier epoch is not what the log holds; it agrees up to offset ${safeOffset}; continue from there`,
    details: { topic: name.topic, partition: name.partition, safeOffset, logStart, highWatermark },
  });
}

export function wrongEpoch(name: PartitionName, given: Term, current: Term): VarveError {
  const code = given < current ? "FENCED_EPOCH" : "UNKNOWN_EPOCH";
  return new VarveError(code, {
    message: `epoch ${given} of ${at(name)} is ${given < current ? "past" : "not known here yet"}, this leader is in epoch ${current}; nothing was written; refresh metadata`,
    details: { topic: name.topic, partition: name.partition, epoch: given, currentEpoch: current },
  });
}

export function sequenceGap(name: PartitionName, producerId: number, got: number, expected: number): VarveError {
  return new VarveError("OUT_OF_ORDER_SEQUENCE", {
    message: `producer ${producerId} sent sequence ${got} to ${at(name)} where ${expected} comes next; nothing was written; records before it are missing`,
    details: { topic: name.topic, partition: name.partition, producerId, sequence: got, expectedSequence: expected },
  });
}

export function fencedProducer(name: PartitionName, producerId: number, got: number, current: number): VarveError {
  return new VarveError("FENCED_PRODUCER", {
    message: `producer ${producerId} sent epoch ${got} to ${at(name)}, but epoch ${current} has taken over; nothing was written; make a new producer`,
    details: { topic: name.topic, partition: name.partition, producerId, epoch: got, currentEpoch: current },
  });
}

export function overloaded(
  name: PartitionName,
  what: string,
  limit: number,
  unit: "bytes" | "requests" = "bytes",
): VarveError {
  return new VarveError("BROKER_OVERLOADED", {
    message: `${at(name)} cannot take more now: ${what} has reached ${limit} ${unit}; nothing was written; retry later`,
    details: { topic: name.topic, partition: name.partition, what, limit },
    retryAfterMs: 50,
  });
}

export function diskFull(name: PartitionName): VarveError {
  return new VarveError("DISK_FULL", {
    message: `the leader of ${at(name)} has less free disk space than its reserve; nothing was written; free space or shorten retention, then retry`,
    details: { topic: name.topic, partition: name.partition },
    retryAfterMs: 1_000,
  });
}

export function quarantined(name: PartitionName, why: string): VarveError {
  return new VarveError("REPLICA_QUARANTINED", {
    message: `this replica of ${at(name)} does not serve: ${why}; nothing was written; another replica goes on`,
    details: { topic: name.topic, partition: name.partition },
  });
}
