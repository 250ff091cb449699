/**
 * group-methods.ts: what brokers ask each other about groups: calls that any broker takes and the coordinator answers.
 */
import type { Offset } from "@varve/base";
import type {
  CommitCommand,
  CommittedOffset,
  CommittedPartition,
  GroupView,
  Heartbeat,
  HeartbeatAnswer,
  SeekCommand,
} from "@varve/groups";
import type { Backlog } from "../partition/backlog.js";
import { decodeEnvelope, encodeEnvelope } from "../routing/envelope.js";
import type { ForwardableMethod } from "../routing/forwarding.js";
import type { DescribedGroup } from "./coordinator.js";
import type { ReaderPlace } from "./reader-places.js";

export type CommitRequest = Omit<CommitCommand, "kind" | "nowMs">;
export type SeekRequest = Omit<SeekCommand, "kind" | "nowMs">;

/** What a leader says of places, in their order; null: this broker does not lead the partition. */
type OfPlaces<Answer> = readonly (Answer | null)[];

export const HEARTBEAT = jsonMethod<{ readonly request: Heartbeat; readonly isAlive: boolean }, HeartbeatAnswer>(10);
export const AWAIT_CHANGE = jsonMethod<{ readonly request: Heartbeat; readonly waitMs: number }, object>(11);
export const COMMIT = jsonMethod<CommitRequest, readonly CommittedPartition[]>(12);
export const OFFSETS = jsonMethod<{ readonly group: string }, { readonly offsets: readonly CommittedOffset[] | null }>(
  13,
);
export const SEEK = jsonMethod<SeekRequest, readonly CommittedPartition[]>(14);
export const LIST_SHARD = jsonMethod<{ readonly shard: number }, readonly GroupView[]>(15);
export const DESCRIBE = jsonMethod<{ readonly group: string }, { readonly described: DescribedGroup | null }>(16);
export const DELETE = jsonMethod<{ readonly group: string }, object>(17);
export const BACKLOGS = jsonMethod<readonly ReaderPlace[], OfPlaces<Backlog>>(18);
export const HIGH_WATERMARKS = jsonMethod<readonly ReaderPlace[], OfPlaces<Offset>>(19);

/** Those that change nothing, by number: they may be asked again. */
export const GROUP_READS: ReadonlySet<number> = new Set(
  [AWAIT_CHANGE, OFFSETS, LIST_SHARD, DESCRIBE].map(({ number }) => number),
);

/** Numbers are on the wire and never reused; 1 .. 9 belong to log-api.ts. */
function jsonMethod<Request extends object, Response extends object>(
  number: number,
): ForwardableMethod<Request, Response> {
  return {
    number,
    encodeRequest: (request) => encodeEnvelope(request, []),
    decodeRequest: (bytes) => decodeEnvelope<Request>(bytes).head,
    encodeResponse: (response) => encodeEnvelope(response, []),
    decodeResponse: (bytes) => decodeEnvelope<Response>(bytes).head,
  };
}
