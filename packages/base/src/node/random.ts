/** random.ts: the operating system's randomness behind the Random port, drawn in blocks. */
import { randomFillSync } from "node:crypto";
import type { Random } from "../ports/random.js";

const block = new Uint8Array(4096);
let used = block.length;

function take(size: number): number {
  if (used + size > block.length) {
    randomFillSync(block);
    used = 0;
  }
  const start = used;
  used += size;
  return start;
}

export const nodeRandom: Random = {
  bytes(size) {
    if (size > 256) return randomFillSync(new Uint8Array(size));
    const start = take(size);
    return block.slice(start, start + size);
  },
  uint32() {
    const start = take(4);
    return new DataView(block.buffer).getUint32(start);
  },
};
