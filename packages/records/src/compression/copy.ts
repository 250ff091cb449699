/**
 * copy.ts: the two copies that every LZ77 reader makes. The caller has checked all bounds.
 */

/** Below this a loop beats the call of TypedArray.copyWithin or set. */
const LOOP_BYTES_MAX = 32;

/** Repeats the `length` bytes that lie `distance` (>= 1) before `at`; source and target may overlap: then it is a pattern. */
export function copyMatch(bytes: Uint8Array, at: number, distance: number, length: number): void {
  if (length <= LOOP_BYTES_MAX) {
    for (let to = at; to < at + length; to++) bytes[to] = bytes[to - distance] as number;
    return;
  }
  // Each round doubles what can be copied without overlap.
  const from = at - distance;
  let done = 0;
  while (done < length) {
    const chunk = Math.min(distance + done, length - done);
    bytes.copyWithin(at + done, from, from + chunk);
    done += chunk;
  }
}

/** Copies `length` bytes from one buffer into another. */
export function copyLiteral(
  target: Uint8Array,
  targetAt: number,
  source: Uint8Array,
  sourceAt: number,
  length: number,
): void {
  if (length <= LOOP_BYTES_MAX) {
    for (let step = 0; step < length; step++) target[targetAt + step] = source[sourceAt + step] as number;
    return;
  }
  target.set(source.subarray(sourceAt, sourceAt + length), targetAt);
}
