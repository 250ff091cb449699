/**
 * check.ts: what is wrong with a request by itself, before anyone looks at the group.
 */
import { INT31_MAX, NUMBER_MAX, nameProblem } from "@varve/base";
import { AWAY_EPOCH, type Heartbeat, JOIN_EPOCH, type OffsetCommit } from "./commands.js";
import { isMemberId, isTopicId, MEMBER_ID_LENGTH_MAX, PARTITION_MAX } from "./keys.js";
import { type GroupLimits, TIMEOUT_MS_MAX, TIMEOUT_MS_MIN } from "./limits.js";
import { type Refusal, refuse } from "./result.js";

export function groupNameRefusal(group: string): Refusal | null {
  const problem = nameProblem(group);
  return problem === null
    ? null
    : refuse("INVALID_GROUP_NAME", `the group name ${JSON.stringify(group.slice(0, 300))} ${problem}`);
}

export function heartbeatRefusal(request: Heartbeat, limits: GroupLimits): Refusal | null {
  const { memberId, memberEpoch, staticId, clientId, host, sessionTimeoutMs, rebalanceTimeoutMs } = request;
  const badName = groupNameRefusal(request.group);
  if (badName !== null) return badName;
  if (!isMemberId(memberId))
    return invalid(
      `a member id has 1 .. ${MEMBER_ID_LENGTH_MAX} characters of A-Z a-z 0-9 . _ - :, not ${quoted(memberId)}`,
    );
  if (!inRange(memberEpoch, AWAY_EPOCH, INT31_MAX))
    return invalid(`a member epoch is 0 (join), -1 (leave), -2 (away) or the last answer's, not ${memberEpoch}`);
  if (staticId === "") return invalid("a static id is not empty; give none for a member that is not static");
  if (memberEpoch === AWAY_EPOCH && staticId === null)
    return invalid(`member ${memberId} has no static id: it cannot leave for a while, only for good (-1)`);
  const metadataBytes = utf8Bytes(clientId) + utf8Bytes(host) + utf8Bytes(staticId ?? "");
  if (metadataBytes > limits.metadataBytesMax)
    return metadataTooLarge("a member's ids and host", metadataBytes, limits);
  for (const [name, timeoutMs] of Object.entries({ sessionTimeoutMs, rebalanceTimeoutMs })) {
    if (!inRange(timeoutMs, TIMEOUT_MS_MIN, TIMEOUT_MS_MAX))
      return invalid(`${name} is ${TIMEOUT_MS_MIN} .. ${TIMEOUT_MS_MAX}, not ${timeoutMs}`);
  }
  if (memberEpoch === JOIN_EPOCH && request.topics === null) return invalid("a member that joins names its topics");
  return topicsRefusal(request.topics ?? [], limits);
}

function topicsRefusal(topics: readonly string[], limits: GroupLimits): Refusal | null {
  if (topics.length > limits.topicsPerMemberMax) {
    return refuse(
      "INVALID_ARGUMENT",
      `a member subscribes to at most ${limits.topicsPerMemberMax} topics, not ${topics.length}`,
      { topicsPerMemberMax: limits.topicsPerMemberMax },
    );
  }
  for (const topic of topics) {
    const problem = nameProblem(topic);
    if (problem !== null) return refuse("INVALID_TOPIC_NAME", `the topic name ${quoted(topic)} ${problem}`);
  }
  return null;
}

/** What is wrong with offsets to commit or to seek to. */
export function offsetsRefusal(
  offsets: readonly Pick<OffsetCommit, "topicId" | "partition" | "offset">[],
): Refusal | null {
  for (const { topicId, partition, offset } of offsets) {
    if (!isTopicId(topicId)) return refuse("UNKNOWN_TOPIC_ID", `${quoted(topicId)} is no topic id`);
    if (!inRange(partition, 0, PARTITION_MAX)) return refuse("UNKNOWN_PARTITION", `${partition} is no partition`);
    if (!inRange(offset, 0, NUMBER_MAX))
      return invalid(`the offset ${offset} of partition ${partition} is no integer >= 0`);
  }
  return null;
}

export function noteRefusal(note: string, limits: GroupLimits): Refusal | null {
  const bytes = utf8Bytes(note);
  return bytes <= limits.metadataBytesMax ? null : metadataTooLarge("the metadata of a commit", bytes, limits);
}

function metadataTooLarge(what: string, bytes: number, { metadataBytesMax }: GroupLimits): Refusal {
  return refuse("INVALID_ARGUMENT", `${what} may have ${metadataBytesMax} bytes, not ${bytes}`, {
    metadataBytes: bytes,
    metadataBytesMax,
  });
}

function invalid(message: string): Refusal {
  return refuse("INVALID_ARGUMENT", message);
}

function inRange(value: number, first: number, last: number): boolean {
  return Number.isSafeInteger(value) && value >= first && value <= last;
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 300));
}

const encoder = new TextEncoder();

function utf8Bytes(text: string): number {
  return encoder.encode(text).length;
}
