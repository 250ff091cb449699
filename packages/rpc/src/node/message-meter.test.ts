/** message-meter.test.ts: what has begun to arrive is counted to the byte, however the stream is cut. */
import { fuzzSeed, Prng } from "@varve/base/testing";
import { expect, test } from "vitest";
import { MessageMeter } from "./message-meter.js";

function message(bytes: number): Buffer {
  const framed = Buffer.alloc(5 + bytes, 0xff);
  framed[0] = 0;
  framed.writeUInt32BE(bytes, 1);
  return framed;
}

const seed = fuzzSeed();
test(`counts the bytes behind the last whole message (SEED=${seed})`, () => {
  const prng = new Prng(seed);
  for (let round = 0; round < 300; round++) {
    const sizes = Array.from({ length: prng.between(1, 8) }, () => prng.pick([0, 1, 4, 5, 300, 70_000]));
    const stream = Buffer.concat(sizes.map(message));
    const ends = new Set<number>([0]);
    let end = 0;
    for (const size of sizes) {
      end += 5 + size;
      ends.add(end);
    }
    const meter = new MessageMeter();
    let lastEnd = 0;
    for (let at = 0; at < stream.length; ) {
      const next = Math.min(stream.length, at + prng.between(1, prng.pick([1, 7, 10_000])));
      const isNews = meter.feed(stream.subarray(at, next));
      const before = lastEnd;
      for (let place = at + 1; place <= next; place++) if (ends.has(place)) lastEnd = place;
      expect(meter.unfinishedBytes, `round ${round}, byte ${next}`).toBe(next - lastEnd);
      expect(isNews, `round ${round}, byte ${next}`).toBe(lastEnd !== before || at === before);
      at = next;
    }
    expect(meter.unfinishedBytes).toBe(0);
  }
});
