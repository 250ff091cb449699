/**
 * list-offsets.ts: offsets of a topic's partitions, for admin calls and for readers.
 */
import { NUMBER_MAX } from "@varve/base";
import { type ListOffsetsRequest, METHODS, OffsetPosition, type PartitionOffset } from "@varve/rpc";
import type { Cluster } from "../cluster/cluster.js";
import { integerIn, invalidArgument, type WaitOptions } from "../options.js";
import type { OffsetPoint } from "./shapes.js";

/** In order of partition. @throws VarveError UNKNOWN_TOPIC, UNKNOWN_PARTITION, INVALID_ARGUMENT; effect NONE. */
export async function listOffsets(
  cluster: Cluster,
  input: { readonly topic: string; readonly at: OffsetPoint; readonly partitions?: readonly number[] | undefined },
  wait: WaitOptions,
): Promise<readonly PartitionOffset[]> {
  const { topic, at, partitions = [] } = input;
  const answer = await cluster.call(
    METHODS.listOffsets,
    { topic, partitions, ...position(at) },
    {
      what: `listOffsets of ${JSON.stringify(topic)}`,
      kind: "read",
      signal: wait.signal,
    },
  );
  return answer.offsets;
}

function position(at: OffsetPoint): Pick<ListOffsetsRequest, "at" | "timeMs"> {
  if (at === "earliest") return { at: OffsetPosition.EARLIEST, timeMs: 0 };
  if (at === "latest") return { at: OffsetPosition.LATEST, timeMs: 0 };
  if (typeof at !== "object" || at === null)
    throw invalidArgument(`at is ${String(at)}, but must be earliest, latest or { timeMs }`);
  return { at: OffsetPosition.TIME, timeMs: integerIn("timeMs", Math.trunc(at.timeMs), 0, NUMBER_MAX) };
}
