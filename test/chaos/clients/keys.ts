/** keys.ts: keys that spread a load evenly: each partition of a topic gets as many of them, so that a gap in what it acknowledges is one in its service. */
import { keyHash } from "@varve/records";

const KEYS = 64;
/** One more than any hash, as the SDK's partitioner `range` divides them. */
const HASHES = 2 ** 31;

/** Some 64 keys, by twos or more for each of `partitions` that were there from the topic's beginning. */
export function evenKeys(partitions: number): readonly string[] {
  const each = Math.max(2, Math.round(KEYS / partitions));
  const byPartition = Array.from({ length: partitions }, (): string[] => []);
  for (let at = 0; byPartition.some(({ length }) => length < each); at++) {
    const key = `k${at}`;
    const own = byPartition[Math.floor((keyHash(Buffer.from(key)) * partitions) / HASHES)];
    if (own !== undefined && own.length < each) own.push(key);
  }
  return byPartition.flat();
}
