import { isVarveError } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import { COMMAND_BYTES_MAX, decodeCommand, encodeCommand } from "./command-codec.js";
import type { ControllerCommand } from "./commands.js";
import { create, register } from "./testing/commands.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);

const COMMANDS: readonly ControllerCommand[] = [
  {
    kind: "founding",
    clusterId: "c-1",
    voters: [{ brokerId: 1, directoryId: "d-1", replicaId: 1, peerAddress: "127.0.0.1:7651" }],
  },
  { kind: "joinBroker", brokerId: 4, directoryId: "d-4", bootId: "b-1", priorBootIds: [], peerAddress: "h:1" },
  register(1, { rack: "zone-a", priorBootIds: ["b-0"] }),
  register(2, { formatVersion: 3, formatVersionMin: 2 }),
  { kind: "controllerReplicasLeft", replicaIds: [1, 2, 3] },
  { kind: "finalizeLevel", level: 2 },
  create("orders", { partitions: 12, replicas: 3, config: { retentionMs: -1, segmentBytes: null }, avoidBrokers: [2] }),
  { kind: "deleteTopic", topic: "orders", topicId: null },
  { kind: "alterTopic", topic: "orders", config: JSON.parse('{"__proto__":1}') },
  { kind: "addPartitions", topic: "orders", partitions: 2.5, avoidBrokers: [] },
  { kind: "allocateProducerIds", count: 1_000 },
];

function decodeText(text: string): ControllerCommand {
  return decodeCommand(new TextEncoder().encode(text));
}

describe("the command codec", () => {
  test.each(COMMANDS)("$kind survives a round trip", (command) => {
    expect(decodeCommand(encodeCommand(command))).toStrictEqual(command);
  });

  test("the bytes are JSON with a version, so that a log can be read by eye", () => {
    const text = new TextDecoder().decode(encodeCommand({ kind: "allocateProducerIds", count: 5 }));
    expect(text).toBe('{"version":1,"command":{"kind":"allocateProducerIds","count":5}}');
  });

  test("a registration that supports level 1 is written as brokers of level 1 know it", () => {
    const text = new TextDecoder().decode(encodeCommand(register(1, { formatVersion: 2 })));
    expect(text).toContain('"formatVersion":2}');
    expect(decodeText(text)).toMatchObject({ formatVersion: 2, formatVersionMin: 1 });
  });

  test.each([
    { why: "nothing", text: "" },
    { why: "not JSON", text: "{" },
    { why: "no object", text: "null" },
    { why: "no version", text: '{"command":{"kind":"allocateProducerIds","count":5}}' },
    { why: "a newer version", text: '{"version":2,"command":{"kind":"allocateProducerIds","count":5}}' },
    { why: "an unknown kind", text: '{"version":1,"command":{"kind":"toString"}}' },
    { why: "a missing field", text: '{"version":1,"command":{"kind":"allocateProducerIds"}}' },
    { why: "a field too many", text: '{"version":1,"command":{"kind":"allocateProducerIds","count":5,"from":1}}' },
    { why: "a wrong type", text: '{"version":1,"command":{"kind":"allocateProducerIds","count":"5"}}' },
    {
      why: "a wrong type in a list",
      text: '{"version":1,"command":{"kind":"controllerReplicasLeft","replicaIds":[1,null]}}',
    },
  ])("refuses $why with INVALID_ARGUMENT", ({ text }) => {
    expect(() => decodeText(text)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });

  test("refuses what is not UTF-8, and what is too large", () => {
    expect(() => decodeCommand(new Uint8Array([0x22, 0xff, 0x22]))).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
    expect(() => decodeCommand(new Uint8Array(COMMAND_BYTES_MAX + 1))).toThrow(/262145 bytes/);
  });

  test.each([
    { why: "NaN", command: { kind: "allocateProducerIds", count: Number.NaN } as const },
    { why: "a name of a megabyte", command: create("x".repeat(1_000_000)) },
  ])("encoding refuses $why, which would arrive as something else", ({ command }) => {
    expect(() => encodeCommand(command)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });

  test(`damaged bytes decode or are refused, never more (SEED=${seed})`, () => {
    const prng = new Prng(seed);
    for (let round = 0; round < 5_000; round++) {
      const bytes = encodeCommand(prng.pick(COMMANDS)).slice();
      for (let hits = prng.between(1, 3); hits > 0; hits--)
        bytes[prng.between(0, bytes.length - 1)] = prng.between(0, 255);
      const cut = prng.chance(0.3) ? bytes.subarray(0, prng.between(0, bytes.length)) : bytes;
      try {
        decodeCommand(cut);
      } catch (error) {
        expect(isVarveError(error), `round ${round}: ${String(error)}`).toBe(true);
      }
    }
  });
});
