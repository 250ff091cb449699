/** log-parts.test.ts: the pure parts of a log: epochs, producer table, segment plan, checkpoint codec, against obvious models. */
import { Prng } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import type { ProducerStamp } from "../api.js";
import { batchFrame, REPLICAS, TINY_CONFIG } from "../testing/log-driver.js";
import { type Checkpoint, decodeCheckpoint, decodeSnapshot, encodeCheckpoint } from "./checkpoint.js";
import { Epochs } from "./epochs.js";
import { emptyImage } from "./log-state.js";
import { BATCHES_KEPT, PRODUCERS_MAX, ProducerTable } from "./producer-table.js";
import { SegmentPlan } from "./segment-plan.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);

describe("Epochs", () => {
  test(`agree with a list of every index, also after pruning (SEED=${seed})`, () => {
    const prng = new Prng(seed);
    for (let round = 0; round < 200; round++) {
      const epochs = new Epochs();
      const terms: number[] = [0];
      let term = 1;
      for (let index = 1; index <= 60; index++) {
        if (prng.chance(0.2)) term += prng.between(1, 3);
        terms.push(term);
        epochs.add({ term, index, offset: index * 10 });
      }
      const pruned = prng.between(1, 60);
      epochs.pruneBelow(pruned);
      for (let index = pruned; index <= 60; index++)
        expect(epochs.termAt(index), `index ${index}, pruned below ${pruned}`).toBe(terms[index]);
      const asked = prng.between(0, term + 2);
      const first = epochs.list()[0]?.index ?? 0;
      const inside = terms
        .map((at, index) => ({ at, index }))
        .filter(({ at, index }) => index >= first && at <= asked && at > 0);
      const last = inside[inside.length - 1];
      const next = last === undefined ? 0 : last.index + 1;
      const want = last === undefined ? null : { epoch: last.at, endOffset: next > 60 ? 999 : next * 10 };
      expect(epochs.endOf(asked, 999)).toEqual(want);
    }
  });

  test("terms never fall", () => {
    const epochs = new Epochs([{ term: 5, index: 1, offset: 0 }]);
    expect(() => epochs.add({ term: 4, index: 2, offset: 1 })).toThrow(/E1/);
  });
});

describe("ProducerTable", () => {
  const stamp = (producerId: number, baseSequence: number, recordCount = 1, producerEpoch = 0): ProducerStamp => {
    return { producerId, producerEpoch, baseSequence, recordCount };
  };

  test("a retried batch gets its first offset, a gap is told, an old epoch is fenced", () => {
    const table = new ProducerTable(1_000);
    expect(table.verdict(stamp(1, 0, 2))).toEqual({ kind: "append" });
    expect(table.verdict(stamp(1, 4))).toEqual({ kind: "unknown" });
    table.apply(stamp(1, 0, 2), 100, 3, 10);
    expect(table.verdict(stamp(1, 0, 2))).toEqual({ kind: "duplicate", baseOffset: 100, epochOfLog: 3 });
    expect(table.verdict(stamp(1, 2))).toEqual({ kind: "append" });
    expect(table.verdict(stamp(1, 3))).toEqual({ kind: "gap", expectedSequence: 2 });
    expect(table.verdict(stamp(1, 0, 3))).toEqual({ kind: "gap", expectedSequence: 2 });
    table.apply(stamp(1, 0, 1, 1), 102, 3, 11);
    expect(table.verdict(stamp(1, 2))).toEqual({ kind: "fenced", currentEpoch: 1 });
    expect(table.verdict(stamp(1, 7, 1, 2))).toEqual({ kind: "gap", expectedSequence: 0 });
    expect(table.state(1)).toEqual({ epoch: 1, lastSequence: 0 });
  });

  test("of each producer the last five batches are known", () => {
    const table = new ProducerTable(1_000);
    for (let sequence = 0; sequence < 10; sequence++) table.apply(stamp(1, sequence), 50 + sequence, 1, 0);
    const duplicates = Array.from({ length: 10 }, (_, sequence) => table.verdict(stamp(1, sequence)).kind);
    expect(duplicates.filter((kind) => kind === "duplicate")).toHaveLength(BATCHES_KEPT);
    expect(duplicates.slice(0, 5)).toEqual(Array.from({ length: 5 }, () => "gap"));
  });

  test("sequences wrap from 2^31 - 1 to 0", () => {
    const table = new ProducerTable(1_000, [
      {
        producerId: 1,
        epoch: 0,
        lastAppendMs: 0,
        batches: [{ baseSequence: 2 ** 31 - 2, recordCount: 2, baseOffset: 0, term: 1 }],
      },
    ]);
    expect(table.verdict(stamp(1, 0))).toEqual({ kind: "append" });
    expect(table.state(1)).toEqual({ epoch: 0, lastSequence: 2 ** 31 - 1 });
  });

  test("a producer is forgotten after the expiry by append times, not before", () => {
    const table = new ProducerTable(1_000);
    table.apply(stamp(1, 0), 0, 1, 0);
    table.apply(stamp(2, 0), 1, 1, 1_000);
    expect(table.state(1)).not.toBe(null);
    table.apply(stamp(2, 1), 2, 1, 1_001);
    expect(table.state(1)).toBe(null);
    expect(table.state(2)).not.toBe(null);
  });

  test("the table is bounded: the one that was silent longest goes", () => {
    const table = new ProducerTable(1_000_000);
    for (let id = 0; id < PRODUCERS_MAX; id++) table.apply(stamp(id, 0), id, 1, 0);
    table.apply(stamp(0, 1), 0, 1, 0);
    table.apply(stamp(PRODUCERS_MAX, 0), 0, 1, 0);
    expect(table.size).toBe(PRODUCERS_MAX);
    expect(table.state(0)).not.toBe(null);
    expect(table.state(1)).toBe(null);
  });
});

describe("SegmentPlan", () => {
  function filled(prng: Prng, count: number): SegmentPlan {
    const plan = SegmentPlan.startingAt("data", { index: 0, term: 0, offset: 0 });
    for (let index = 1; index <= count; index++) {
      plan.apply(
        batchFrame({ groupId: 1, index, term: 1, baseOffset: index - 1, appendTimeMs: index * 10 }, [
          "v".repeat(prng.between(0, 400)),
        ]),
      );
      if (plan.isRollDue(TINY_CONFIG, 0)) plan.roll(1);
    }
    return plan;
  }

  test(`every frame and record is found in exactly one segment (SEED=${seed})`, () => {
    const plan = filled(new Prng(seed), 80);
    expect(plan.list().length).toBeGreaterThan(3);
    for (let index = 1; index <= 80; index++) {
      const holding = plan.list().filter((segment) => segment.previousIndex < index && index <= segment.lastIndex);
      expect(holding).toHaveLength(1);
      expect(plan.forIndex(index)).toEqual(holding[0]);
      expect(plan.forOffset(index - 1)).toEqual(holding[0]);
      expect(plan.forTime(index * 10)).toEqual(holding[0]);
    }
    expect(plan.forIndex(81)).toBe(null);
    expect(plan.forOffset(80)).toBe(null);
    expect(plan.forTime(801)).toBe(null);
  });

  test("retention by bytes and by time never takes the segment in use", () => {
    const plan = filled(new Prng(1), 60);
    const all = plan.retentionTarget({ ...TINY_CONFIG, retentionBytes: 0 }, 0);
    expect(all).toEqual({ index: plan.active.previousIndex, offset: plan.active.baseOffset });
    const first = plan.list()[0];
    const second = plan.list()[1];
    const half = plan.retentionTarget({ ...TINY_CONFIG, retentionMs: 100 }, (first?.lastAppendMs ?? 0) + 101);
    expect(half).toEqual({ index: first?.lastIndex, offset: second?.baseOffset });
    expect(plan.retentionTarget(TINY_CONFIG, 1e15)).toBe(null);
    plan.dropThrough(1e9);
    expect(plan.list()).toHaveLength(1);
  });

  test("a segment without records does not roll: the next one would have its name", () => {
    const plan = SegmentPlan.startingAt("data", { index: 4, term: 1, offset: 9 });
    expect(plan.canRoll()).toBe(false);
    expect(() => plan.roll(1)).toThrow(/N2/);
    const state = SegmentPlan.startingAt("state", { index: 4, term: 1, offset: 0 });
    expect(state.active.name).toBe(5);
  });
});

describe("checkpoints", () => {
  const owner = { groupId: 3, topicId: "0f0f0f0f-0000-4000-8000-000000000003", partition: 2 };

  function sample(prng: Prng): Checkpoint {
    const image = {
      ...emptyImage({ ...REPLICAS, learners: [4], votersOutgoing: [9, 10], autoLeave: true }),
      index: prng.between(1, 2 ** 31),
      term: 7,
      offset: 2 ** 45,
      appendTimeMs: 1_700_000_000_000,
      logStart: { index: 3, offset: 5 },
      epochs: [{ term: 7, index: 1, offset: 0 }],
      producers: [
        {
          producerId: 2 ** 40,
          epoch: 3,
          lastAppendMs: 8,
          batches: [{ baseSequence: 1, recordCount: 2, baseOffset: 3, term: 4 }],
        },
      ],
    };
    const segments = SegmentPlan.startingAt("data", { index: 2, term: 1, offset: 2 }).list();
    return {
      owner,
      image,
      segments,
      sections: [
        { tag: 16, bytes: prng.bytes(40) },
        { tag: 255, bytes: new Uint8Array(0) },
      ],
    };
  }

  test("come back whole, and as the snapshot they are", () => {
    const checkpoint = sample(new Prng(seed));
    const encoded = encodeCheckpoint(checkpoint);
    expect(decodeCheckpoint(encoded)).toEqual(checkpoint);
    const snapshot = decodeSnapshot(encoded);
    expect(snapshot.index).toBe(checkpoint.image.index);
    expect(snapshot.replicas).toEqual(checkpoint.image.replicas);
    expect(snapshot.encoded).toBe(encoded);
  });

  test(`no damaged or cut checkpoint is taken (SEED=${seed})`, () => {
    const prng = new Prng(seed);
    const encoded = encodeCheckpoint(sample(prng));
    for (let round = 0; round < 2_000; round++) {
      const damaged = encoded.slice(0, prng.chance(0.3) ? prng.between(0, encoded.length - 1) : encoded.length);
      const at = prng.between(0, Math.max(0, damaged.length - 1));
      if (damaged.length === encoded.length) damaged[at] = (damaged[at] ?? 0) ^ (1 << prng.between(0, 7));
      expect(() => decodeCheckpoint(damaged), `byte ${at} of ${damaged.length}`).toThrowError(
        expect.objectContaining({ code: "CORRUPT_BATCH" }),
      );
    }
  });

  test("a caller cannot use storage's own tags", () => {
    expect(() =>
      encodeCheckpoint({ ...sample(new Prng(1)), sections: [{ tag: 15, bytes: new Uint8Array(0) }] }),
    ).toThrow(/tag/);
  });
});
