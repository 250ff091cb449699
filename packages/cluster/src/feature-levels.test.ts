/** feature-levels.test.ts: who may be part of a cluster of a level, who may finalise one, and that level 1 is what older brokers read and write. */
import { describe, expect, test } from "vitest";
import type { ControllerCommand } from "./commands.js";
import { FEATURE_LEVELS, levelProblem, peerProtocols, SUPPORTED_LEVELS } from "./feature-levels.js";
import type { CommandResult } from "./result.js";
import { ControllerState } from "./state.js";
import { create, found, register, topicIdOf } from "./testing/commands.js";

class Cluster {
  state = ControllerState.empty();
  private index = 0;

  constructor(formatVersions: readonly number[]) {
    this.apply(found(formatVersions.map((_, at) => at + 1)));
    for (const [at, formatVersion] of formatVersions.entries()) this.apply(register(at + 1, { formatVersion }));
  }

  apply(command: ControllerCommand): CommandResult {
    this.index += 1;
    return this.state.apply(command, { index: this.index, appendTimeMs: this.index });
  }

  finalize(level: number): CommandResult {
    return this.apply({ kind: "finalizeLevel", level });
  }

  get snapshot(): Record<string, unknown> {
    return JSON.parse(new TextDecoder().decode(this.state.snapshot()));
  }
}

describe("finalising", () => {
  test("a level that all support: it holds for good, in snapshots too; the same again changes nothing", () => {
    const cluster = new Cluster([2, 2, 3]);
    expect(cluster.state.featureLevel).toBe(1);
    expect(cluster.finalize(2).ok).toBe(true);
    const version = cluster.state.metadataVersion;
    expect(cluster.finalize(2).ok).toBe(true);
    expect(cluster.state.metadataVersion).toBe(version);
    expect(ControllerState.restore(cluster.state.snapshot()).featureLevel).toBe(2);
    expect(cluster.finalize(1)).toMatchObject({ ok: false, message: expect.stringContaining("never goes back") });
    expect(cluster.state.featureLevel).toBe(2);
  });

  test.each([
    {
      why: "one broker is too old",
      versions: [2, 1, 2],
      level: 2,
      names: "broker 2 (version 0.1.0) supports levels 1 to 1",
    },
    { why: "nobody knows it", versions: [2, 2, 2], level: 3, names: "broker 3" },
    { why: "it is none", versions: [2, 2, 2], level: 0, names: "whole number" },
    { why: "it is a half", versions: [2, 2, 2], level: 1.5, names: "whole number" },
  ])("is refused before it enters the log, and when applied: $why", ({ versions, level, names }) => {
    const cluster = new Cluster(versions);
    const refusal = { ok: false, code: "INVALID_ARGUMENT", message: expect.stringContaining(names) };
    expect(cluster.state.answerBeforeLog({ kind: "finalizeLevel", level })).toMatchObject(refusal);
    const before = cluster.state.snapshot();
    expect(cluster.finalize(level)).toMatchObject(refusal);
    expect(cluster.state.snapshot()).toEqual(before);
  });

  test("is refused while a broker has joined and not registered: nobody knows what it supports", () => {
    const cluster = new Cluster([2, 2, 2]);
    const { brokerId, directoryId, bootId, priorBootIds, peerAddress } = register(7);
    cluster.apply({ kind: "joinBroker", brokerId, directoryId, bootId, priorBootIds, peerAddress });
    expect(cluster.finalize(2)).toMatchObject({ message: expect.stringContaining("broker 7 has not registered yet") });
    cluster.apply(register(7, { formatVersion: 2 }));
    expect(cluster.finalize(2).ok).toBe(true);
  });

  test("the level that holds already needs no command, so that none enters the log of brokers that know none", () => {
    const cluster = new Cluster([1, 1, 1]);
    expect(cluster.state.answerBeforeLog({ kind: "finalizeLevel", level: 1 })).toEqual({
      ok: true,
      value: { kind: "done" },
    });
    expect(new Cluster([2]).state.answerBeforeLog({ kind: "finalizeLevel", level: 2 })).toBeNull();
  });
});

describe("a broker", () => {
  test("that is too old for the finalised level is refused, and stays as it was registered", () => {
    const cluster = new Cluster([2, 2, 2]);
    cluster.finalize(2);
    const back = register(2, { formatVersion: 1, bootId: "boot-2-2", priorBootIds: ["boot-2-1"] });
    const refusal = { ok: false, code: "DATA_DIR_UNUSABLE", message: expect.stringContaining("start a newer version") };
    expect(cluster.state.answerBeforeLog(back)).toMatchObject(refusal);
    expect(cluster.apply(back)).toMatchObject(refusal);
    expect(cluster.state.broker(2)).toMatchObject({ formatVersion: 2 });
    expect(cluster.apply(register(9, { formatVersion: 1 })).ok).toBe(false);
  });

  test("that is too new for it is refused before the log, where it would stop the older ones", () => {
    const cluster = new Cluster([1, 1, 1]);
    const tooNew = register(4, { formatVersion: 3, formatVersionMin: 2 });
    expect(cluster.state.answerBeforeLog(tooNew)).toMatchObject({
      message: expect.stringContaining("finalise a later level"),
    });
    expect(cluster.state.answerBeforeLog(register(4, { formatVersion: 3 }))).toBeNull();
  });
});

describe("level 1", () => {
  test("is written in version 2, without what older brokers do not know; level 2 in version 3", () => {
    const cluster = new Cluster([2, 2, 2]);
    expect(cluster.snapshot).toMatchObject({ version: 2, controllerReplicas: [{ voter: false }, {}, {}] });
    expect(JSON.stringify(cluster.snapshot)).not.toMatch(/featureLevel|formatVersionMin/);
    cluster.finalize(2);
    expect(cluster.snapshot).toMatchObject({ version: 3, featureLevel: 2 });
    expect(JSON.stringify(cluster.snapshot)).not.toContain("voter");
    expect(cluster.snapshot["brokers"]).toMatchObject([{ formatVersion: 2, formatVersionMin: 1 }, {}, {}]);
  });

  test("a snapshot of version 2, as it was written before there were levels, is read and written again alike", () => {
    const text =
      '{"version":2,"clusterId":"c-1","metadataVersion":3,"nextGroupId":2,"nextProducerId":1,"nextControllerReplicaId":2,' +
      '"controllerReplicas":[{"brokerId":1,"directoryId":"dir-1","replicaId":1,"peerAddress":"h:2","voter":false,"leaving":false}],' +
      '"directories":[{"directoryId":"dir-1","brokerId":1,"bootIds":["b"],"refusedBootIds":[],"retired":false,"decommissionedFrom":null}],' +
      '"brokers":[{"brokerId":1,"directoryId":"dir-1","grpcAddress":"h:1","peerAddress":"h:2","opsAddress":"h:3","rack":null,"host":"h","version":"0.1.0","formatVersion":1,"drained":false,"leaving":false}],' +
      `"topics":[{"topic":"t","topicId":"${topicIdOf(1)}","createdIndex":3,"createdMs":5,"replicas":1,"config":{},"partitions":[{"partition":0,"groupId":1,"hashStart":0,"hashEnd":2147483648,"initialVoters":[1],"replicas":[{"brokerId":1,"directoryId":"dir-1","replicaId":1}],"leaving":[],"nextReplicaId":2}]}],"deletedTopicIds":[]}`;
    const state = ControllerState.restore(new TextEncoder().encode(text));
    expect(state.featureLevel).toBe(1);
    expect(state.broker(1)).toMatchObject({ formatVersion: 1, formatVersionMin: 1 });
    expect(new TextDecoder().decode(state.snapshot())).toBe(text);
  });
});

test("replicas of internal topics move from level 2 on: before, older brokers would refuse what newer ones do", () => {
  const cluster = new Cluster([2, 2, 2]);
  cluster.apply(create("__groups", { partitions: 1, replicas: 1 }));
  const [held] = cluster.state.topicByName("__groups")?.partitions[0]?.replicas ?? [];
  const to = held?.brokerId === 3 ? 1 : 3;
  const move = { kind: "setReplicas", topic: "__groups", topicId: null, partition: 0, brokers: [to] } as const;
  expect(cluster.apply(move)).toMatchObject({ ok: false, code: "UNKNOWN_TOPIC" });
  cluster.finalize(2);
  expect(cluster.apply(move).ok).toBe(true);
});

test("the table of levels is dense, and protocols never go back", () => {
  expect(FEATURE_LEVELS.map(({ level }) => level)).toEqual(
    Array.from({ length: SUPPORTED_LEVELS.max - SUPPORTED_LEVELS.min + 1 }, (_, at) => SUPPORTED_LEVELS.min + at),
  );
  expect(peerProtocols(1)).toEqual({ min: 1, max: 2 });
  expect(peerProtocols(2)).toEqual({ min: 2, max: 2 });
  for (const { level } of FEATURE_LEVELS) expect(levelProblem(level, SUPPORTED_LEVELS)).toBeNull();
  expect(levelProblem(SUPPORTED_LEVELS.max + 1, SUPPORTED_LEVELS)).toContain("start a newer version");
});
