/** decoders.fuzz.test.ts: commands of a shard, its checkpoint and its stored entries: whatever the bytes, one or a typed refusal. */
import { fuzzDecoder, fuzzSeed, type Mutate, mutateBytes, mutateJson } from "@varve/base/testing";
import { expect, test } from "vitest";
import { decodeCommand, encodeCommand } from "./command-codec.js";
import type { GroupCommand } from "./commands.js";
import { GROUP_LIMITS } from "./limits.js";
import type { Entry } from "./snapshot.js";
import { GroupsState } from "./state.js";
import { commit, heartbeat, offsetCommit, proposed, topicIdOf } from "./testing/commands.js";
import { Harness } from "./testing/harness.js";

const seed = fuzzSeed();
const METADATA = [{ topic: "orders", topicId: topicIdOf(1), partitions: 6 }];

const COMMANDS: readonly GroupCommand[] = [
  proposed(heartbeat("a", { topics: ["orders"], staticId: "pod" }), METADATA, 9, 1_700_000_000_000),
  proposed(heartbeat("b", { topics: ["orders"], owned: [] }), METADATA, 9, 1_700_000_000_000),
  { kind: "expire", group: "billing", memberIds: ["a", "b"], nowMs: 1 },
  {
    kind: "topicsChanged",
    group: "billing",
    topics: [{ topic: "orders", topicId: topicIdOf(1), partitions: 8 }],
    deletedTopicIds: [topicIdOf(2)],
    metadataVersion: 13,
    nowMs: 2,
  },
  commit("a", 1, [offsetCommit(topicIdOf(1), 3, 42, 1), offsetCommit(topicIdOf(1), 4, 1)]),
  { kind: "seek", group: "billing", offsets: [{ topicId: topicIdOf(1), partition: 0, offset: 7 }], nowMs: 3 },
  { kind: "deleteGroup", group: "billing" },
];

function busyState(): GroupsState {
  const harness = new Harness();
  harness.createTopic("orders", 4);
  harness.member("a-1", ["orders"], { staticId: "pod-a" }).join();
  harness.member("a-2", ["orders", "missing"], { staticId: "pod-a" }).join().commit("orders", 0, 5);
  harness.member("b", ["orders"], { startFrom: "latest" }).join();
  harness.member("gone", ["orders"], { group: "empty" }).join().commit("orders", 3, 9);
  return harness.state;
}

test(`commands, and a state that applies what decodes (SEED=${seed})`, () => {
  const state = busyState();
  let index = 1_000;
  const decode = (bytes: Uint8Array): GroupCommand => {
    const command = decodeCommand(bytes);
    index += 1;
    // Shapes are judged by the decoder, meaning by the state: it answers, and never throws.
    state.apply(command, index);
    return command;
  };
  const samples = COMMANDS.map(encodeCommand);
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
  expect(GroupsState.decode(state.encode(), GROUP_LIMITS).encode()).toEqual(state.encode());
});

test(`checkpoints, spoiled as bytes (SEED=${seed})`, () => {
  const samples = [busyState().encode(), GroupsState.empty(GROUP_LIMITS).encode()];
  const encode = (state: GroupsState): Uint8Array => state.encode();
  const decode = (bytes: Uint8Array): GroupsState => GroupsState.decode(bytes, GROUP_LIMITS);
  const { refused } = fuzzDecoder({ samples, decode, encode, codes: ["DATA_DIR_UNUSABLE"], seed });
  expect(refused).toBeGreaterThan(20);
});

/** Entries as one input: JSON of keys and values, so that a mutation meets either. */
const asInput = (entries: Iterable<Entry>): Uint8Array =>
  Buffer.from(JSON.stringify([...entries].map(([key, value]) => [key, Buffer.from(value).toString("latin1")])));

function fromInput(bytes: Uint8Array): Entry[] {
  return (JSON.parse(Buffer.from(bytes).toString()) as [string, string][]).map(([key, value]) => [
    key,
    Buffer.from(value, "latin1"),
  ]);
}

/** Spoils one entry's value as JSON, or sometimes its key. */
const mutateEntry: Mutate = (prng, bytes, others) => {
  const entries = fromInput(bytes);
  const at = prng.between(0, entries.length - 1);
  const [key, value] = entries[at] ?? ["", new Uint8Array(0)];
  if (prng.chance(0.2))
    entries[at] = [Buffer.from(mutateBytes(prng, Buffer.from(key), others)).toString("latin1"), value];
  else if (prng.chance(0.1)) entries.splice(at, 1);
  else entries[at] = [key, mutateJson(prng, value, others)];
  return asInput(entries);
};

test(`stored entries, spoiled one by one (SEED=${seed})`, () => {
  const samples = [asInput(busyState().entries())];
  const encode = (state: GroupsState): Uint8Array => asInput(state.entries());
  const decode = (bytes: Uint8Array): GroupsState => GroupsState.fromEntries(fromInput(bytes), GROUP_LIMITS);
  const { decoded, refused } = fuzzDecoder({
    samples,
    decode,
    encode,
    mutate: mutateEntry,
    codes: ["DATA_DIR_UNUSABLE"],
    seed,
  });
  expect(decoded).toBeGreaterThan(20);
  expect(refused).toBeGreaterThan(20);
});
