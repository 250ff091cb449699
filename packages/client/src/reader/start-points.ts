/**
 * start-points.ts: where a reader begins and ends in each partition, as brokers say when it starts.
 */
import { assertDefined, type PartitionId, VarveError } from "@varve/base";
import { listOffsets } from "../admin/list-offsets.js";
import type { OffsetPoint } from "../admin/shapes.js";
import type { Cluster } from "../cluster/cluster.js";
import type { TopicView } from "../cluster/topic-view.js";
import { unknownPartition } from "../errors.js";
import type { WaitOptions } from "../options.js";
import { PartitionCursor } from "./cursor.js";
import { isOffset, type ReaderSettings } from "./options.js";

/** @throws VarveError OFFSET_OUT_OF_RANGE, UNKNOWN_PARTITION; effect NONE. */
export async function startPoints(
  cluster: Cluster,
  view: TopicView,
  settings: ReaderSettings<never>,
  wait: WaitOptions,
): Promise<PartitionCursor[]> {
  const { topic, from, to } = settings;
  const partitions = settings.partitions ?? view.partitions.map(({ partition }) => partition);
  for (const partition of partitions) {
    if (partition >= view.partitions.length)
      throw unknownPartition(topic, partition, view.partitions.length).withEffect("NONE");
  }
  const lookUp = async (at: OffsetPoint): Promise<ReadonlyMap<PartitionId, number>> => {
    const offsets = await listOffsets(cluster, { topic, at, partitions }, wait);
    return new Map(offsets.map(({ partition, offset }) => [partition, offset]));
  };
  const latest = await lookUp("latest");
  const starts = from === "latest" ? latest : isOffset(from) ? null : await lookUp(from);
  const ends = to === null || to === "end" || isOffset(to) ? null : await lookUp(to);
  const earliest = isOffset(from) ? await lookUp("earliest") : null;
  return partitions.map((partition) => {
    const highWatermark = answered(latest, partition);
    const start = isOffset(from)
      ? from.offset
      : answered(assertDefined(starts, "from is a point in time or an end"), partition);
    if (earliest !== null) checkRange(topic, partition, start, answered(earliest, partition), highWatermark);
    const end =
      to === null
        ? null
        : to === "end"
          ? highWatermark
          : isOffset(to)
            ? to.offset
            : answered(ends ?? latest, partition);
    return new PartitionCursor(partition, start, end, highWatermark);
  });
}

function answered(offsets: ReadonlyMap<PartitionId, number>, partition: PartitionId): number {
  const offset = offsets.get(partition);
  if (offset !== undefined) return offset;
  throw new VarveError("INTERNAL", { message: `a broker did not answer for partition ${partition}`, effect: "NONE" });
}

function checkRange(
  topic: string,
  partition: PartitionId,
  offset: number,
  logStart: number,
  highWatermark: number,
): void {
  if (offset >= logStart && offset <= highWatermark) return;
  const why = offset < logStart ? `the log starts at ${logStart} now` : `the log ends at ${highWatermark}`;
  const safeOffset = offset < logStart ? logStart : highWatermark;
  throw new VarveError("OFFSET_OUT_OF_RANGE", {
    message: `offset ${offset} of ${topic}/${partition} cannot be read: ${why}; read from ${safeOffset}, or choose earliest or latest`,
    details: { topic, partition, offset, logStart, highWatermark, safeOffset },
  });
}
