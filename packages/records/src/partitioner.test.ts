/** partitioner.test.ts: murmur2 against Kafka's published values and two other clients; lookup against a linear search. */
import { createRequire } from "node:module";
import { murmur2 as platformaticMurmur2 } from "@platformatic/kafka";
import { HASH_SPACE, initialRanges, splitWidest } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import { keyHash, murmur2 } from "./murmur2.js";
import { nextStickyPartition, partitionForHash, partitionForKeyModulo, partitionForKeyRange } from "./partitioner.js";

const SEED = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);
const kafkaJsMurmur2 = createRequire(import.meta.url)("kafkajs/src/producer/partitioners/default/murmur2.js") as (
  key: Buffer,
) => number;

describe("murmur2", () => {
  // Apache Kafka, clients UtilsTest.testMurmur2.
  test.each([
    ["21", -973932308],
    ["foobar", -790332482],
    ["a-little-bit-long-string", -985981536],
    ["a-little-bit-longer-string", -1486304829],
    ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
    ["abc", 479470107],
  ])("%s hashes to Kafka's %i", (key, want) => {
    expect(murmur2(Buffer.from(key))).toBe(want);
  });

  test(`agrees with kafkajs and @platformatic/kafka on any key (SEED=${SEED})`, () => {
    const prng = new Prng(SEED);
    for (let round = 0; round < 2_000; round++) {
      const key = Buffer.from(prng.bytes(prng.between(1, 40)));
      expect(murmur2(key), `round ${round}`).toBe(kafkaJsMurmur2(key));
      expect(murmur2(key), `round ${round}`).toBe(platformaticMurmur2(key));
    }
  });
});

describe("partitions of keys", () => {
  test(`the range lookup finds what a linear search finds, also after splits (SEED=${SEED})`, () => {
    const prng = new Prng(SEED);
    for (let round = 0; round < 50; round++) {
      let ranges = initialRanges(prng.between(1, 20));
      for (let added = prng.between(0, 20); added > 0; added--) ranges = splitWidest(ranges, ranges.length);
      const edges = ranges.flatMap((range) => [range.start, range.end - 1]);
      const hashes = [...edges, ...Array.from({ length: 50 }, () => prng.between(0, HASH_SPACE - 1))];
      for (const hash of hashes) {
        const obvious = ranges.find((range) => range.start <= hash && hash < range.end)?.partition;
        expect(partitionForHash(hash, ranges), `round ${round}, hash ${hash}`).toBe(obvious);
      }
    }
  });

  test("a key keeps its partition when a partition is added, unless its range was halved", () => {
    const before = initialRanges(6);
    const after = splitWidest(before, 6);
    const moved = new Map<number, number>();
    for (let key = 0; key < 6_000; key++) {
      const bytes = Buffer.from(String(key));
      const from = partitionForKeyRange(bytes, before);
      const to = partitionForKeyRange(bytes, after);
      if (from !== to) moved.set(from, to);
    }
    expect([...moved.values()]).toEqual([6]);
  });

  test("modulo takes Kafka's way: the hash without its sign, remainder", () => {
    expect(partitionForKeyModulo(Buffer.from("21"), 1000)).toBe((-973932308 & 0x7fffffff) % 1000);
    expect(keyHash(Buffer.from("21"))).toBe(-973932308 & 0x7fffffff);
  });

  test("keys spread evenly over equal ranges", () => {
    const counts = new Array<number>(6).fill(0);
    for (let key = 0; key < 12_000; key++) {
      const partition = partitionForKeyRange(Buffer.from(`user-${key}`), initialRanges(6));
      counts[partition] = (counts[partition] ?? 0) + 1;
    }
    for (const count of counts) expect(Math.abs(count - 2_000)).toBeLessThan(250);
  });
});

describe("sticky partitions", () => {
  test("the next one differs from the previous while there is another", () => {
    for (let draw = 0; draw < 10; draw++) {
      expect(nextStickyPartition([0, 1, 2], 1, draw)).not.toBe(1);
      expect(nextStickyPartition([4], 4, draw)).toBe(4);
    }
  });
});
