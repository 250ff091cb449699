/** one-partition.ts: an offset names a place in one partition only. */
import { UsageError } from "../shell/failure.js";
import type { ClusterClient } from "../shell/shell.js";

/** The partition that an offset without --partition means. @throws UsageError: the topic has several. */
export async function onePartition(client: Pick<ClusterClient, "admin">, topic: string): Promise<number> {
  const { partitions } = await client.admin.describeTopic(topic);
  if (partitions.length === 1) return 0;
  throw new UsageError(
    `an offset needs --partition: ${topic} has ${partitions.length} partitions, and each counts its own offsets`,
  );
}
