/** commands.ts: commands with everything filled in, for this package's tests. */
import type { CommitCommand, Heartbeat, HeartbeatCommand, OffsetCommit, TopicMetadata } from "../commands.js";

/** A UUID that `number` determines. */
export function topicIdOf(number: number): string {
  return `00000000-0000-4000-8000-${number.toString(16).padStart(12, "0")}`;
}

export function heartbeat(memberId: string, fields: Partial<Heartbeat> = {}): Heartbeat {
  return {
    group: "billing",
    memberId,
    memberEpoch: 0,
    staticId: null,
    clientId: "client",
    host: "host-1",
    sessionTimeoutMs: 30_000,
    rebalanceTimeoutMs: 60_000,
    topics: null,
    owned: null,
    startFrom: "earliest",
    ...fields,
  };
}

/** The heartbeat as a command, with those of `existing` that it may need. */
export function proposed(
  request: Heartbeat,
  existing: readonly TopicMetadata[],
  metadataVersion: number,
  nowMs: number,
): HeartbeatCommand {
  const metadata = existing.filter(({ topic }) => request.topics?.includes(topic) === true);
  return { kind: "heartbeat", ...request, nowMs, metadata, metadataVersion };
}

export function offsetCommit(
  topicId: string,
  partition: number,
  offset: number,
  assignmentEpoch: number | null = null,
): OffsetCommit {
  return { topicId, partition, offset, assignmentEpoch, leaderEpoch: 1, metadata: "" };
}

export function commit(
  memberId: string | null,
  memberEpoch: number,
  offsets: readonly OffsetCommit[],
  group = "billing",
): CommitCommand {
  return { kind: "commit", group, memberId, memberEpoch, offsets, nowMs: 1 };
}
