import { isVarveError } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import { COMMAND_BYTES_MAX, decodeCommand, encodeCommand } from "./command-codec.js";
import type { GroupCommand } from "./commands.js";
import { commit, heartbeat, offsetCommit, proposed, topicIdOf } from "./testing/commands.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);

const COMMANDS: readonly GroupCommand[] = [
  proposed(
    heartbeat("a", { topics: ["orders"], owned: [{ topicId: topicIdOf(1), partitions: [0, 5] }], staticId: "pod" }),
    [{ topic: "orders", topicId: topicIdOf(1), partitions: 6 }],
    9,
    1_700_000_000_000,
  ),
  { kind: "expire", group: "billing", memberIds: ["a", "b"], nowMs: 1 },
  {
    kind: "topicsChanged",
    group: "billing",
    topics: [{ topic: "orders", topicId: null, partitions: 0 }],
    deletedTopicIds: [topicIdOf(2)],
    metadataVersion: 3,
    nowMs: 2,
  },
  commit("a", 4, [offsetCommit(topicIdOf(1), 3, 42, 4), { ...offsetCommit(topicIdOf(1), 4, 1), leaderEpoch: null }]),
  commit(null, -1, []),
  { kind: "seek", group: "billing", offsets: [{ topicId: topicIdOf(1), partition: 0, offset: 7 }], nowMs: 3 },
  { kind: "deleteGroup", group: "billing" },
];

function decodeText(text: string): GroupCommand {
  return decodeCommand(new TextEncoder().encode(text));
}

describe("the command codec", () => {
  test.each(COMMANDS)("$kind survives a round trip", (command) => {
    expect(decodeCommand(encodeCommand(command))).toStrictEqual(command);
  });

  test("the bytes are JSON with a version, so that a log can be read by eye", () => {
    const text = new TextDecoder().decode(encodeCommand({ kind: "deleteGroup", group: "billing" }));
    expect(text).toBe('{"version":1,"command":{"kind":"deleteGroup","group":"billing"}}');
  });

  test.each([
    ["nothing", ""],
    ["not JSON", "{"],
    ["no object", "null"],
    ["no version", '{"command":{"kind":"deleteGroup","group":"a"}}'],
    ["a newer version", '{"version":2,"command":{"kind":"deleteGroup","group":"a"}}'],
    ["an unknown kind", '{"version":1,"command":{"kind":"toString"}}'],
    ["a missing field", '{"version":1,"command":{"kind":"deleteGroup"}}'],
    ["a field too many", '{"version":1,"command":{"kind":"deleteGroup","group":"a","force":true}}'],
    ["a field of another type", '{"version":1,"command":{"kind":"deleteGroup","group":7}}'],
    [
      "half an epoch",
      '{"version":1,"command":{"kind":"commit","group":"a","memberId":null,"memberEpoch":0.5,"offsets":[],"nowMs":1}}',
    ],
    ["a time before 1970", '{"version":1,"command":{"kind":"expire","group":"a","memberIds":[],"nowMs":-1}}'],
  ])("%s is refused", (_, text) => {
    expect(() => decodeText(text)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });

  test("a command over the limit is refused on both sides", () => {
    const offsets = Array.from({ length: 200 }, (_, at) => ({
      ...offsetCommit(topicIdOf(1), at, 1),
      metadata: "x".repeat(16_000),
    }));
    expect(() => encodeCommand(commit("a", 1, offsets))).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    expect(() => decodeCommand(new Uint8Array(COMMAND_BYTES_MAX + 1))).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
  });

  test("a note of the largest size at 100 partitions fits into one command", () => {
    const offsets = Array.from({ length: 100 }, (_, at) => ({
      ...offsetCommit(topicIdOf(1), at, 1),
      metadata: "x".repeat(4_096),
    }));
    expect(decodeCommand(encodeCommand(commit("a", 1, offsets)))).toMatchObject({ offsets });
  });

  test(`damaged bytes are a command or a VarveError, never anything else (SEED=${seed})`, () => {
    const prng = new Prng(seed);
    for (let round = 0; round < 3_000; round++) {
      const bytes = encodeCommand(prng.pick(COMMANDS)).slice();
      for (let flips = prng.between(1, 3); flips > 0; flips--)
        bytes[prng.between(0, bytes.length - 1)] = prng.uint32() & 0xff;
      const cut = prng.chance(0.3) ? bytes.subarray(0, prng.between(0, bytes.length)) : bytes;
      try {
        encodeCommand(decodeCommand(cut));
      } catch (error) {
        if (!isVarveError(error)) throw error;
      }
    }
  });
});
