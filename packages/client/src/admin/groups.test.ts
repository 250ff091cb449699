/** groups.test.ts: admin calls about groups, against a model of a coordinator, on simulated time. */
import { Prng } from "@varve/base/testing";
import { encodeBatch } from "@varve/records";
import { nodeCodec } from "@varve/records/node";
import { expect, test } from "vitest";
import type { SeekGroupInput } from "../index.js";
import { SimClient } from "../testing/index.js";

function sim(): SimClient {
  const client = new SimClient({ prng: new Prng(7) });
  client.model.createTopic("t", 2);
  for (const partition of [0, 1]) {
    const records = Array.from({ length: 10 }, () => ({ timestampMs: 1, value: Buffer.from("x") }));
    client.model.partition("t", partition).append(encodeBatch({ records }, nodeCodec));
  }
  return client;
}

test("a group is listed and described with members, assignment, offsets and lag", async () => {
  const client = sim();
  const { admin } = client.varve;
  const consumer = client.varve.consumer({ group: "g", topics: ["t"], staticId: "pod-0", clientId: "worker" });
  const ended = consumer.run({ handler: ({ offset }) => (offset === 4 ? new Promise(() => {}) : undefined) });
  ended.catch(() => {});
  await client.clock.runUntil(3_000);
  expect(await client.run(admin.listGroups())).toEqual([{ group: "g", state: "stable", members: 1 }]);
  expect(await client.run(admin.describeGroup("g"))).toEqual({
    group: "g",
    state: "stable",
    coordinator: 1,
    members: [
      {
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        staticId: "pod-0",
        clientId: "worker",
        topics: ["t"],
        assigned: [
          { topic: "t", partition: 0 },
          { topic: "t", partition: 1 },
        ],
      },
    ],
    offsets: [
      { topic: "t", partition: 0, committed: 4, highWatermark: 10, lagRecords: 6, lagMs: 60, problem: null },
      { topic: "t", partition: 1, committed: 0, highWatermark: 10, lagRecords: 10, lagMs: 100, problem: null },
    ],
  });
  expect(await client.failure(admin.deleteGroup("g"))).toMatchObject({
    code: "GROUP_NOT_EMPTY",
    effect: "NOT_APPLIED",
  });
});

test("an offset without a partition is that offset in every partition", async () => {
  const client = sim();
  client.groups.adminCommit("g", "t", 0, 4);
  const moved = await client.run(client.varve.admin.seekGroup({ group: "g", topic: "t", to: { offset: 1 } }));
  expect(moved.offsets).toEqual([0, 1].map((partition) => ({ partition, offset: 1 })));
});

test("a group is moved as a whole or in one partition; then it is deleted", async () => {
  const client = sim();
  client.groups.adminCommit("g", "t", 0, 4);
  const { admin } = client.varve;
  const seek = (to: SeekGroupInput["to"], partition?: number) =>
    client.run(admin.seekGroup({ group: "g", topic: "t", to, partition }));
  expect(await seek("latest")).toEqual({
    offsets: [
      { partition: 0, offset: 10 },
      { partition: 1, offset: 10 },
    ],
  });
  await seek({ offset: 3 }, 1);
  await seek("earliest", 0);
  const { offsets, state } = await client.run(admin.describeGroup("g"));
  expect(offsets.map(({ committed }) => committed)).toEqual([0, 3]);
  expect(state).toBe("empty");
  await client.run(admin.deleteGroup("g"));
  expect(await client.run(admin.listGroups())).toEqual([]);
  expect(await client.failure(admin.describeGroup("g"))).toMatchObject({ code: "UNKNOWN_GROUP", effect: "NONE" });
});

test.each([
  { why: "an unknown group", input: { group: "h", topic: "t", to: "latest" }, code: "UNKNOWN_GROUP" },
  { why: "an empty name", input: { group: "", topic: "t", to: "latest" }, code: "INVALID_GROUP_NAME" },
  { why: "a reserved name", input: { group: "__g", topic: "t", to: "latest" }, code: "INVALID_GROUP_NAME" },
  { why: "an unknown word", input: { group: "g", topic: "t", to: "now" }, code: "INVALID_ARGUMENT" },
  {
    why: "a negative offset",
    input: { group: "g", topic: "t", partition: 0, to: { offset: -1 } },
    code: "INVALID_ARGUMENT",
  },
  { why: "no time", input: { group: "g", topic: "t", to: { timeMs: Number.NaN } }, code: "INVALID_ARGUMENT" },
  { why: "an illegal topic", input: { group: "g", topic: "a/b", to: "latest" }, code: "INVALID_TOPIC_NAME" },
  { why: "an unknown topic", input: { group: "g", topic: "u", to: "latest" }, code: "UNKNOWN_TOPIC" },
  {
    why: "a removed offset",
    input: { group: "g", topic: "t", partition: 0, to: { offset: 11 } },
    code: "OFFSET_OUT_OF_RANGE",
  },
])("seekGroup refuses $why with $code, and nothing was moved", async ({ input, code }) => {
  const client = sim();
  client.groups.adminCommit("g", "t", 0, 4);
  const error = await client.failure(client.varve.admin.seekGroup(input as SeekGroupInput));
  expect(error).toMatchObject({ code, effect: "NOT_APPLIED" });
  expect(client.groups.committed("g", "t", 0)).toBe(4);
  expect([...client.groups.groups.keys()]).toEqual(["g"]);
});

test.each([
  { why: "no topics", options: { group: "g", topics: [] }, code: "INVALID_ARGUMENT" },
  { why: "topics as text", options: { group: "g", topics: "t" }, code: "INVALID_ARGUMENT" },
  { why: "an illegal topic", options: { group: "g", topics: ["a b"] }, code: "INVALID_TOPIC_NAME" },
  { why: "an illegal group", options: { group: "a b", topics: ["t"] }, code: "INVALID_GROUP_NAME" },
  {
    why: "a session timeout of 10 ms",
    options: { group: "g", topics: ["t"], sessionTimeoutMs: 10 },
    code: "INVALID_ARGUMENT",
  },
  {
    why: "startFrom somewhere",
    options: { group: "g", topics: ["t"], startFrom: "somewhere" },
    code: "INVALID_ARGUMENT",
  },
  { why: "onAssign that is none", options: { group: "g", topics: ["t"], onAssign: 3 }, code: "INVALID_ARGUMENT" },
  {
    why: "a client id of 300 bytes",
    options: { group: "g", topics: ["t"], clientId: "x".repeat(300) },
    code: "INVALID_ARGUMENT",
  },
])("a consumer refuses $why with $code", ({ options, code }) => {
  const client = sim();
  expect(() => client.varve.consumer(options as never)).toThrowError(expect.objectContaining({ code }));
});
