import { describe, expect, test } from "vitest";
import type { ControllerCommand } from "./commands.js";
import { CLUSTER_LIMITS, rangesOf } from "./model.js";
import { type CommandResult, expectValue, refusalError } from "./result.js";
import { ControllerState } from "./state.js";
import { create, found, register, topicIdOf } from "./testing/commands.js";

class Cluster {
  readonly state = ControllerState.empty();
  private index = 0;

  constructor(brokers = 3) {
    const ids = Array.from({ length: brokers }, (_, at) => at + 1);
    this.apply(found(ids.slice(0, 3)));
    for (const brokerId of ids) this.apply(register(brokerId));
  }

  apply(command: ControllerCommand): CommandResult {
    this.index += 1;
    return this.state.apply(command, { index: this.index, appendTimeMs: 1_700_000_000_000 + this.index });
  }

  topic(topic: string) {
    const found = this.state.topicByName(topic);
    if (found === null) throw new Error(`no topic ${topic}`);
    return found;
  }
}

describe("topics", () => {
  test("a topic gets 6 partitions and 3 replicas by default, fewer replicas when there are fewer brokers", () => {
    const three = new Cluster(3);
    three.apply(create("orders"));
    expect(three.topic("orders").partitions).toHaveLength(6);
    expect(three.topic("orders").partitions.map(({ replicas }) => replicas.length)).toEqual([3, 3, 3, 3, 3, 3]);
    const one = new Cluster(1);
    one.apply(create("orders"));
    expect(one.topic("orders").replicas).toBe(1);
  });

  test("creating answers with the topic as it is, and when it was created", () => {
    const cluster = new Cluster();
    const command = create("orders", { config: { retentionMs: 1_000 } });
    const value = expectValue(cluster.apply(command), "topic");
    expect(value).toMatchObject({
      created: true,
      topic: { topicId: command.topicId, config: { retentionMs: 1_000 }, createdIndex: 5 },
    });
    expect(cluster.state.topicById(command.topicId)).toBe(cluster.topic("orders"));
  });

  test("a repeat of the same create answers as the first did", () => {
    const cluster = new Cluster();
    const command = create("orders");
    const first = cluster.apply(command);
    const version = cluster.state.metadataVersion;
    expect(cluster.apply(command)).toEqual(first);
    expect(cluster.state.metadataVersion).toBe(version);
  });

  test("a repeat of a create after its topic was deleted does not bring it back", () => {
    const cluster = new Cluster();
    const command = create("orders");
    cluster.apply(command);
    cluster.apply({ kind: "deleteTopic", topic: "orders", topicId: null });
    expect(cluster.apply(command)).toMatchObject({ ok: false, code: "INVALID_ARGUMENT" });
    expect(cluster.state.topics()).toEqual([]);
  });

  test("ifNotExists takes an existing topic as success, whatever was asked", () => {
    const cluster = new Cluster();
    cluster.apply(create("orders", { partitions: 2 }));
    const value = expectValue(cluster.apply(create("orders", { partitions: 9, ifNotExists: true })), "topic");
    expect(value).toMatchObject({ created: false });
    expect(value.topic.partitions).toHaveLength(2);
  });

  test("a recreated name has another id, other groups, and shares nothing with the old topic", () => {
    const cluster = new Cluster();
    cluster.apply(create("orders"));
    const before = cluster.topic("orders");
    cluster.apply({ kind: "deleteTopic", topic: "orders", topicId: null });
    cluster.apply(create("orders"));
    const after = cluster.topic("orders");
    expect(after.topicId).not.toBe(before.topicId);
    const groups = new Set(before.partitions.map(({ groupId }) => groupId));
    expect(after.partitions.some(({ groupId }) => groups.has(groupId))).toBe(false);
    for (const groupId of groups) {
      expect(cluster.state.partitionOf(groupId)).toBeNull();
      expect(cluster.state.wasMinted(groupId)).toBe(true);
    }
  });

  test("deleting with the id of an earlier topic of that name deletes nothing", () => {
    const cluster = new Cluster();
    const first = create("orders");
    cluster.apply(first);
    cluster.apply({ kind: "deleteTopic", topic: "orders", topicId: first.topicId });
    cluster.apply(create("orders"));
    const result = cluster.apply({ kind: "deleteTopic", topic: "orders", topicId: first.topicId });
    expect(result).toMatchObject({ ok: false, code: "UNKNOWN_TOPIC_ID" });
    expect(cluster.topic("orders")).toBeDefined();
  });

  test("altering changes what is named, null goes back to the default", () => {
    const cluster = new Cluster();
    cluster.apply(create("orders", { config: { retentionMs: 5_000, segmentBytes: 65_536 } }));
    cluster.apply({ kind: "alterTopic", topic: "orders", config: { retentionMs: null, retentionBytes: 1e9 } });
    expect(cluster.topic("orders").config).toEqual({ retentionBytes: 1e9, segmentBytes: 65_536 });
  });

  test("added partitions take the upper half of the widest range; the groups and replicas of the others stay", () => {
    const cluster = new Cluster();
    cluster.apply(create("orders", { partitions: 2 }));
    const before = cluster.topic("orders");
    cluster.apply({ kind: "addPartitions", topic: "orders", partitions: 3, avoidBrokers: [] });
    const after = cluster.topic("orders");
    expect(rangesOf(after)).toEqual([
      { partition: 0, start: 0, end: 2 ** 29 },
      { partition: 2, start: 2 ** 29, end: 2 ** 30 },
      { partition: 1, start: 2 ** 30, end: 2 ** 31 },
    ]);
    for (const [at, { groupId, replicas }] of before.partitions.entries()) {
      expect(after.partitions[at]).toMatchObject({ groupId, replicas });
    }
    expect(after.partitions[2]?.groupId).toBe(3);
  });

  test("asking for as many partitions as there are changes nothing", () => {
    const cluster = new Cluster();
    cluster.apply(create("orders", { partitions: 3 }));
    const version = cluster.state.metadataVersion;
    expect(cluster.apply({ kind: "addPartitions", topic: "orders", partitions: 3, avoidBrokers: [] }).ok).toBe(true);
    expect(cluster.state.metadataVersion).toBe(version);
  });

  test("10,000 partitions can be created at once, and 10,001 cannot", () => {
    const cluster = new Cluster();
    expect(cluster.apply(create("wide", { partitions: 10_000 })).ok).toBe(true);
    expect(cluster.apply(create("wider", { partitions: 10_001 }))).toMatchObject({
      ok: false,
      code: "INVALID_PARTITIONS",
    });
  });

  const names = [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "x".repeat(250),
    "x".repeat(300),
    "__proto__",
    "__x",
    "ä",
    "a b",
    "a\0b",
  ];
  const refusals: readonly (readonly [why: string, command: ControllerCommand, code: string])[] = [
    ...names.map((name) => [`the name ${JSON.stringify(name)}`, create(name), "INVALID_TOPIC_NAME"] as const),
    ["a name that exists", create("there"), "TOPIC_EXISTS"],
    ["no partitions", create("x", { partitions: 0 }), "INVALID_PARTITIONS"],
    ["half a partition", create("x", { partitions: 2.5 }), "INVALID_PARTITIONS"],
    ["minus one partition", create("x", { partitions: -1 }), "INVALID_PARTITIONS"],
    ["no number of partitions", create("x", { partitions: Number.NaN }), "INVALID_PARTITIONS"],
    ["no replicas", create("x", { replicas: 0 }), "INVALID_REPLICATION"],
    ["more replicas than brokers", create("x", { replicas: 4 }), "INVALID_REPLICATION"],
    ["more replicas than possible", create("x", { replicas: 8 }), "INVALID_REPLICATION"],
    ["an unknown setting", create("x", { config: { retentionMS: 1 } }), "INVALID_CONFIG"],
    ["a setting called __proto__", create("x", { config: JSON.parse('{"__proto__":1}') }), "INVALID_CONFIG"],
    ["a setting called constructor", create("x", { config: { constructor: 1 } as never }), "INVALID_CONFIG"],
    ["a setting out of range", create("x", { config: { batchBytesMax: 5 * 2 ** 20 } }), "INVALID_CONFIG"],
    ["a fractional setting", create("x", { config: { segmentMs: 1.5 } }), "INVALID_CONFIG"],
    ["no bound where there must be one", create("x", { config: { segmentBytes: -1 } }), "INVALID_CONFIG"],
    ["an id that is no UUID", create("x", { topicId: "../../etc" }), "INVALID_ARGUMENT"],
    ["altering an unknown topic", { kind: "alterTopic", topic: "x", config: {} }, "UNKNOWN_TOPIC"],
    ["altering with a bad setting", { kind: "alterTopic", topic: "there", config: { x: 1 } }, "INVALID_CONFIG"],
    ["deleting an unknown topic", { kind: "deleteTopic", topic: "x", topicId: null }, "UNKNOWN_TOPIC"],
    [
      "adding to an unknown topic",
      { kind: "addPartitions", topic: "x", partitions: 9, avoidBrokers: [] },
      "UNKNOWN_TOPIC",
    ],
    [
      "fewer partitions",
      { kind: "addPartitions", topic: "there", partitions: 5, avoidBrokers: [] },
      "INVALID_PARTITIONS",
    ],
    [
      "too many partitions",
      { kind: "addPartitions", topic: "there", partitions: 10_001, avoidBrokers: [] },
      "INVALID_PARTITIONS",
    ],
    ["no producer ids", { kind: "allocateProducerIds", count: 0 }, "INVALID_ARGUMENT"],
    ["founding again", { ...found([1]), clusterId: "c-2" }, "INVALID_ARGUMENT"],
    ["a broker id of 0", register(0), "INVALID_ARGUMENT"],
    ["an address of a megabyte", register(1, { grpcAddress: "x".repeat(1e6) }), "INVALID_ARGUMENT"],
  ];
  test.each(refusals)("refuses %s and changes nothing", (_why, command, code) => {
    const cluster = new Cluster();
    cluster.apply(create("there"));
    const before = cluster.state.snapshot();
    const result = cluster.apply(command);
    expect(result).toMatchObject({ ok: false, code });
    expect(cluster.state.snapshot()).toEqual(before);
    if (!result.ok) expect(refusalError(result)).toMatchObject({ code, effect: "NOT_APPLIED", retryable: false });
  });

  test("all problems of a configuration are told at once", () => {
    const cluster = new Cluster();
    const config = { retentionMs: 0, segmentBytes: 1, colour: 3 };
    const result = cluster.apply(create("x", { config }));
    expect(result).toMatchObject({ ok: false, code: "INVALID_CONFIG" });
    if (result.ok) throw new Error("accepted");
    expect(result.details["problems"]).toHaveLength(3);
  });

  test("too many replicas: the answer says how many brokers there are; an unknown topic: how to create it", () => {
    const cluster = new Cluster(2);
    const refused = cluster.apply(create("x", { replicas: 3 }));
    expect(refused).toMatchObject({ details: { brokers: 2, replicas: 3 } });
    expect(cluster.apply({ kind: "deleteTopic", topic: "x", topicId: null })).toMatchObject({
      message: expect.stringContaining("varve topic create x"),
    });
  });
});

describe("brokers", () => {
  test("nobody registers before the cluster is founded", () => {
    const state = ControllerState.empty();
    expect(state.apply(register(1), { index: 1, appendTimeMs: 1 })).toMatchObject({
      ok: false,
      code: "NOT_ENOUGH_REPLICAS",
    });
  });

  test("founding again with the same cluster id changes nothing", () => {
    const cluster = new Cluster();
    const before = cluster.state.snapshot();
    expect(cluster.apply(found([1, 2, 3])).ok).toBe(true);
    expect(cluster.state.snapshot()).toEqual(before);
  });

  test("a founding that names a directory or broker twice is refused", () => {
    const state = ControllerState.empty();
    const voters = found([1, 2]).voters.map((voter) => ({ ...voter, directoryId: "same" }));
    expect(state.apply({ ...found([1, 2]), voters }, { index: 1, appendTimeMs: 1 }).ok).toBe(false);
    expect(state.clusterId).toBeNull();
  });

  test("first voters keep the replica ids of the founding, later brokers learn under new ones", () => {
    const cluster = new Cluster(5);
    expect(cluster.state.controllerReplicas.map(({ brokerId, replicaId }) => [brokerId, replicaId])).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
      [4, 4],
      [5, 5],
    ]);
    expect(cluster.state.brokerOf(0, 4)).toBe(4);
  });

  test("a broker joins with its replica id before it registers, and registers under the same", () => {
    const cluster = new Cluster(3);
    const { brokerId, directoryId, bootId, priorBootIds, peerAddress } = register(7);
    const joined = expectValue(
      cluster.apply({ kind: "joinBroker", brokerId, directoryId, bootId, priorBootIds, peerAddress }),
      "member",
    );
    expect(joined).toMatchObject({ clusterId: "c-1", replicaId: 4 });
    expect(joined.controllerReplicas).toHaveLength(4);
    expect(cluster.state.broker(7)).toBeNull();
    expect(expectValue(cluster.apply(register(7)), "member").replicaId).toBe(4);
    expect(cluster.state.broker(7)).toMatchObject({ brokerId: 7, directoryId: "dir-7" });
  });

  test("a broker that comes back with other addresses is reached there; the same again changes nothing", () => {
    const cluster = new Cluster();
    const next = register(2, {
      bootId: "boot-2-2",
      priorBootIds: ["boot-2-1"],
      grpcAddress: "h:1",
      peerAddress: "h:2",
    });
    expect(cluster.apply(next).ok).toBe(true);
    expect(cluster.state.broker(2)).toMatchObject({ grpcAddress: "h:1" });
    expect(cluster.state.controllerReplicas[1]).toMatchObject({ replicaId: 2, peerAddress: "h:2" });
    const version = cluster.state.metadataVersion;
    expect(cluster.apply(next).ok).toBe(true);
    expect(cluster.state.metadataVersion).toBe(version);
  });

  test.each([
    { why: "wiped, of a first voter that has not registered yet", registered: false },
    { why: "wiped, of a registered broker", registered: true },
  ])("a new directory under a known broker id is refused: $why", ({ registered }) => {
    const state = ControllerState.empty();
    let index = 0;
    const apply = (command: ControllerCommand) => state.apply(command, { index: ++index, appendTimeMs: index });
    apply(found([1, 2, 3]));
    if (registered) apply(register(1));
    const result = apply(register(1, { directoryId: "dir-new" }));
    expect(result).toMatchObject({ ok: false, code: "DATA_DIR_UNUSABLE", details: { ownerDirectoryId: "dir-1" } });
    expect(state.brokerOf(0, 1)).toBe(1);
    expect(state.controllerReplicas.map(({ directoryId }) => directoryId)).not.toContain("dir-new");
  });

  test("a disk that went back in time is refused for ever, by every later state too; the current disk is not", () => {
    const cluster = new Cluster();
    cluster.apply(register(2, { bootId: "boot-2-2", priorBootIds: ["boot-2-1"] }));
    const old = register(2, { bootId: "boot-2-x", priorBootIds: ["boot-2-1"] });
    expect(cluster.apply(old)).toMatchObject({ ok: false, code: "DATA_DIR_UNUSABLE" });
    const restored = ControllerState.restore(cluster.state.snapshot());
    const again = register(2, { bootId: "boot-2-y", priorBootIds: ["boot-2-1", "boot-2-x"] });
    expect(restored.apply(again, { index: 100, appendTimeMs: 1 })).toMatchObject({
      ok: false,
      code: "DATA_DIR_UNUSABLE",
    });
    const current = register(2, { bootId: "boot-2-3", priorBootIds: ["boot-2-1", "boot-2-2"] });
    expect(restored.apply(current, { index: 101, appendTimeMs: 1 }).ok).toBe(true);
  });

  test("a directory that belongs to another broker is refused", () => {
    const cluster = new Cluster();
    expect(cluster.apply(register(9, { directoryId: "dir-1" }))).toMatchObject({
      ok: false,
      code: "DATA_DIR_UNUSABLE",
    });
  });

  test("no more than the stated number of brokers are admitted", () => {
    const cluster = new Cluster(CLUSTER_LIMITS.brokersMax);
    expect(cluster.apply(register(5_000)).ok).toBe(false);
    expect(cluster.state.brokers()).toHaveLength(CLUSTER_LIMITS.brokersMax);
  });
});

describe("what a broker asks", () => {
  test("replicasOf lists what it must run, with the voters of each group", () => {
    const cluster = new Cluster(4);
    cluster.apply(create("orders", { partitions: 8, replicas: 3 }));
    cluster.apply(create("other", { partitions: 1, replicas: 1 }));
    const all = [1, 2, 3, 4].flatMap((brokerId) => cluster.state.replicasOf(`dir-${brokerId}`));
    expect(all).toHaveLength(8 * 3 + 1);
    for (const { groupId, replicaId, topic, initialVoters, directoryId } of all) {
      const brokerId = cluster.state.brokerOf(groupId, replicaId);
      expect(directoryId).toBe(`dir-${brokerId}`);
      expect(initialVoters).toEqual(topic === "orders" ? [1, 2, 3] : [1]);
    }
    expect(all.filter(({ preferred }) => preferred)).toHaveLength(9);
  });

  test("preferred leaders are balanced", () => {
    const cluster = new Cluster(3);
    cluster.apply(create("orders", { partitions: 6 }));
    const leaders = [...cluster.state.preferredReplicas()]
      .map(([groupId, replicaId]) => cluster.state.brokerOf(groupId, replicaId))
      .sort();
    expect(leaders).toEqual([1, 1, 2, 2, 3, 3]);
  });

  test("producer ids come in blocks that never overlap", () => {
    const cluster = new Cluster();
    const first = expectValue(cluster.apply({ kind: "allocateProducerIds", count: 1_000 }), "producerIds");
    const second = expectValue(cluster.apply({ kind: "allocateProducerIds", count: 10 }), "producerIds");
    expect(first.first).toBeGreaterThan(0);
    expect(second.first).toBe(first.first + 1_000);
  });

  test("applying an index twice is a programmer's error", () => {
    const state = ControllerState.empty();
    state.apply(found([1]), { index: 3, appendTimeMs: 1 });
    expect(() => state.apply(register(1), { index: 3, appendTimeMs: 1 })).toThrow(/S3/);
  });
});

describe("snapshots", () => {
  test.each([
    { why: "nothing", text: "" },
    { why: "a newer version", text: '{"version":4}' },
    { why: "missing fields", text: '{"version":3}' },
    { why: "missing fields of version 2", text: '{"version":2}' },
    { why: "missing fields of version 1", text: '{"version":1}' },
    { why: "not JSON", text: "{]" },
  ])("refuses $why with DATA_DIR_UNUSABLE", ({ text }) => {
    const bytes = new TextEncoder().encode(text);
    expect(() => ControllerState.restore(bytes)).toThrow(expect.objectContaining({ code: "DATA_DIR_UNUSABLE" }));
  });

  test.each([
    { why: "a gap in the hash ranges", from: '"hashStart":0', to: '"hashStart":1' },
    { why: "a group that was never handed out", from: '"nextGroupId":2', to: '"nextGroupId":1' },
    { why: "a partition that is not dense", from: '"partition":0', to: '"partition":1' },
  ])("refuses $why", ({ from, to }) => {
    const cluster = new Cluster();
    cluster.apply(create("orders", { partitions: 1 }));
    const text = new TextDecoder().decode(cluster.state.snapshot());
    expect(text).toContain(from);
    const damaged = new TextEncoder().encode(text.replace(from, to));
    expect(() => ControllerState.restore(damaged)).toThrow(expect.objectContaining({ code: "DATA_DIR_UNUSABLE" }));
  });

  test("a snapshot of format version 1, as it was first written, can be read", () => {
    const text =
      '{"version":1,"clusterId":"c-1","metadataVersion":3,"nextGroupId":2,"nextProducerId":1,"nextControllerReplicaId":2,' +
      '"controllerReplicas":[{"brokerId":1,"directoryId":"dir-1","replicaId":1,"peerAddress":"h:2","voter":true}],' +
      '"directories":[{"directoryId":"dir-1","brokerId":1,"bootIds":["b"],"refusedBootIds":[]}],' +
      '"brokers":[{"brokerId":1,"directoryId":"dir-1","grpcAddress":"h:1","peerAddress":"h:2","opsAddress":"h:3","rack":null,"host":"h","version":"0.1.0","formatVersion":1}],' +
      `"topics":[{"topic":"t","topicId":"${topicIdOf(1)}","createdIndex":3,"createdMs":5,"replicas":1,"config":{"retentionMs":-1},"partitions":[{"partition":0,"groupId":1,"hashStart":0,"hashEnd":2147483648,"replicas":[{"brokerId":1,"directoryId":"dir-1","replicaId":1}],"nextReplicaId":2}]}],"deletedTopicIds":[]}`;
    const state = ControllerState.restore(new TextEncoder().encode(text));
    expect(state.topicByName("t")).toMatchObject({ config: { retentionMs: -1 } });
    expect(state.partitionOf(1)?.partition).toMatchObject({ initialVoters: [1], leaving: [], nextReplicaId: 2 });
    expect(state.broker(1)).toMatchObject({ drained: false, leaving: false });
    const again = ControllerState.restore(state.snapshot());
    expect(new TextDecoder().decode(again.snapshot())).toBe(new TextDecoder().decode(state.snapshot()));
  });
});
