/** decoders.fuzz.test.ts: commands and the controller's checkpoint: whatever the bytes, they are one or refused by their typed error. */
import { fuzzDecoder, fuzzSeed, mutateJson } from "@varve/base/testing";
import { expect, test } from "vitest";
import { decodeCommand, encodeCommand } from "./command-codec.js";
import type { ControllerCommand } from "./commands.js";
import { ControllerState } from "./state.js";
import { create, found, register } from "./testing/commands.js";

const seed = fuzzSeed();

const COMMANDS: readonly ControllerCommand[] = [
  found([1, 2, 3]),
  { kind: "joinBroker", brokerId: 4, directoryId: "d-4", bootId: "b-1", priorBootIds: ["b-0"], peerAddress: "h:1" },
  ...[1, 2, 3].map((brokerId) => register(brokerId, { formatVersion: 2 })),
  create("orders", { partitions: 3, replicas: 3, config: { retentionMs: 1_000 }, avoidBrokers: [2] }),
  create("payments"),
  { kind: "deleteTopic", topic: "payments", topicId: null },
  { kind: "alterTopic", topic: "orders", config: { retentionMs: null } },
  { kind: "addPartitions", topic: "orders", partitions: 5, avoidBrokers: [] },
  { kind: "allocateProducerIds", count: 1_000 },
  { kind: "finalizeLevel", level: 2 },
];

/** Of level 2, or of level 1. */
function busyState(level: 1 | 2): ControllerState {
  const state = ControllerState.empty();
  for (const [at, command] of COMMANDS.entries()) {
    if (level === 2 || command.kind !== "finalizeLevel") {
      const joined = command.kind === "joinBroker" && level === 2;
      if (!joined) state.apply(command, { index: at + 1, appendTimeMs: 1_700_000_000_000 });
    }
  }
  expect(state.featureLevel).toBe(level);
  return state;
}

test(`commands, and a state that applies what decodes (SEED=${seed})`, () => {
  const samples = COMMANDS.map(encodeCommand);
  const state = busyState(1);
  let index = COMMANDS.length;
  const decode = (bytes: Uint8Array): ControllerCommand => {
    const command = decodeCommand(bytes);
    index += 1;
    // Shapes are judged by the decoder, meaning by the state: it answers, and never throws.
    state.apply(command, { index, appendTimeMs: 1_700_000_000_000 });
    return command;
  };
  const run = {
    samples,
    decode,
    encode: encodeCommand,
    mutate: mutateJson,
    codes: ["INVALID_ARGUMENT"],
    seed,
  } as const;
  const { decoded, refused } = fuzzDecoder(run);
  expect(decoded).toBeGreaterThan(20);
  expect(refused).toBeGreaterThan(20);
  expect(ControllerState.restore(state.snapshot()).snapshot()).toEqual(state.snapshot());
});

test(`checkpoints (SEED=${seed})`, () => {
  const samples = [busyState(1).snapshot(), busyState(2).snapshot(), ControllerState.empty().snapshot()];
  const encode = (state: ControllerState): Uint8Array => state.snapshot();
  const decode = (bytes: Uint8Array): ControllerState => ControllerState.restore(bytes);
  const run = { samples, decode, encode, mutate: mutateJson, codes: ["DATA_DIR_UNUSABLE"], seed } as const;
  const { decoded, refused } = fuzzDecoder(run);
  expect(decoded).toBeGreaterThan(20);
  expect(refused).toBeGreaterThan(20);
});
