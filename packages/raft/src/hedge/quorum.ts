/** quorum.ts: what a majority has reached. */
export type Acked = (id: number) => number;
export const NO_LIMIT = Number.MAX_SAFE_INTEGER;
/** Highest index that a majority has reached. An empty set agrees to anything. */
export function majorityCommitted(voters: readonly number[], acked: Acked): number {
  const count = voters.length;
  if (count === 0) return NO_LIMIT;
  const reached: number[] = [];
  for (const id of voters) reached.push(acked(id));
  reached.sort((a, b) => b - a);
  return reached[Math.floor(count / 2)] as number;
}
