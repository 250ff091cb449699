import { Prng } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import { decodeCommand, encodeCommand } from "./command-codec.js";
import type { ControllerCommand } from "./commands.js";
import { CLUSTER_LIMITS, type GroupReplica, type Partition } from "./model.js";
import type { CommandResult } from "./result.js";
import { ControllerState } from "./state.js";
import { create, found, register } from "./testing/commands.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);

class Cluster {
  readonly state = ControllerState.empty();
  private index = 0;

  constructor(brokers = 4) {
    const ids = Array.from({ length: brokers }, (_, at) => at + 1);
    this.apply(found(ids.slice(0, 3)));
    for (const brokerId of ids) this.apply(register(brokerId));
  }

  apply(command: ControllerCommand): CommandResult {
    this.index += 1;
    return this.state.apply(decodeCommand(encodeCommand(command)), { index: this.index, appendTimeMs: 1_000 });
  }

  get partition(): Partition {
    const partition = this.state.topicByName("orders")?.partitions[0];
    if (partition === undefined) throw new Error("no such partition");
    return partition;
  }

  get group(): number {
    return this.partition.groupId;
  }

  /** The broker that should lead. */
  get preferred(): number | null {
    return this.state.brokerOf(this.group, this.state.preferredReplicas().get(this.group) ?? 0);
  }

  move(brokers: readonly number[], partition = 0): CommandResult {
    return this.apply({ kind: "setReplicas", topic: "orders", topicId: null, partition, brokers });
  }

  left(...replicaIds: number[]): CommandResult {
    return this.apply({ kind: "replicasLeft", groupId: this.group, replicaIds });
  }
}

function onBrokers(replicas: readonly GroupReplica[]): string[] {
  return replicas.map(({ brokerId, replicaId }) => `${brokerId}:${replicaId}`);
}

function withTopic(brokers = 4, replicas = 3): Cluster {
  const cluster = new Cluster(brokers);
  cluster.apply(create("orders", { partitions: 1, replicas }));
  cluster.move([1, 2, 3].slice(0, replicas));
  const { leaving } = cluster.partition;
  cluster.left(...leaving.map(({ replicaId }) => replicaId));
  return cluster;
}

describe("a move", () => {
  test("mints replicas for new brokers, keeps the others, and remembers who leaves until the group says so", () => {
    const cluster = withTopic();
    const kept = onBrokers(cluster.partition.replicas);
    const fresh = cluster.partition.nextReplicaId;
    cluster.move([4, 2, 3]);
    expect(onBrokers(cluster.partition.replicas)).toEqual([`4:${fresh}`, kept[1], kept[2]]);
    expect(onBrokers(cluster.partition.leaving)).toEqual([kept[0]]);
    const old = cluster.partition.leaving[0]?.replicaId ?? 0;
    expect(cluster.state.brokerOf(cluster.group, old)).toBe(1);
    expect(cluster.state.hasLeft(cluster.group, old)).toBe(false);
    cluster.left(old);
    expect(cluster.partition.leaving).toEqual([]);
    expect(cluster.state.hasLeft(cluster.group, old)).toBe(true);
    expect(cluster.state.hasLeft(cluster.group, cluster.partition.nextReplicaId)).toBe(false);
  });

  test("back, before the old replica has left, takes that replica again", () => {
    const cluster = withTopic();
    const before = onBrokers(cluster.partition.replicas);
    cluster.move([4, 2, 3]);
    cluster.move([1, 2, 3]);
    expect(onBrokers(cluster.partition.replicas)).toEqual(before);
    expect(cluster.partition.leaving.map(({ brokerId }) => brokerId)).toEqual([4]);
    const wanted = cluster.partition.replicas[0]?.replicaId ?? 0;
    cluster.left(wanted);
    expect(onBrokers(cluster.partition.replicas)).toEqual(before);
  });

  test("does not change which configuration the group began with", () => {
    const cluster = withTopic();
    const { initialVoters } = cluster.partition;
    cluster.move([4, 2, 3]);
    expect(cluster.partition.initialVoters).toEqual(initialVoters);
    expect(cluster.state.replicasOf("dir-4")).toMatchObject([{ initialVoters }]);
  });

  test.each([
    { why: "a broker that does not exist", brokers: [1, 2, 9] },
    { why: "a broker twice", brokers: [1, 2, 2] },
    { why: "no broker", brokers: [] },
    { why: "more than seven", brokers: [1, 2, 3, 4, 5, 6, 7, 8] },
  ])("to $why is refused and changes nothing", ({ brokers }) => {
    const cluster = withTopic();
    const before = cluster.state.snapshot();
    expect(cluster.move(brokers)).toMatchObject({ ok: false, code: "INVALID_REPLICATION" });
    expect(cluster.state.snapshot()).toEqual(before);
  });

  test("waits when too many earlier replicas have not left", () => {
    const cluster = withTopic(5);
    const old = cluster.partition.replicas.map(({ replicaId }) => replicaId);
    let refused: CommandResult | null = null;
    for (let round = 0; round < 40 && refused === null; round++) {
      cluster.apply({ kind: "renewReplica", groupId: cluster.group, replicaId: old[0] ?? 0 });
      old[0] = cluster.partition.replicas[0]?.replicaId ?? 0;
      if (cluster.partition.leaving.length < CLUSTER_LIMITS.leavingReplicasMax) continue;
      refused = cluster.move([4, 5, 3]);
    }
    expect(refused).toMatchObject({ ok: false, code: "INVALID_REPLICATION" });
    expect(cluster.partition.leaving).toHaveLength(CLUSTER_LIMITS.leavingReplicasMax);
  });
});

describe("a replica that lost its data", () => {
  test("is followed by a fresh one on the same directory, which waits until the old one has left", () => {
    const cluster = withTopic();
    const lost = cluster.partition.replicas[1]?.replicaId ?? 0;
    cluster.apply({ kind: "renewReplica", groupId: cluster.group, replicaId: lost });
    const fresh = cluster.partition.replicas[1]?.replicaId ?? 0;
    expect(fresh).toBeGreaterThan(lost);
    expect(cluster.state.replicasOf("dir-2")).toMatchObject([{ replicaId: lost }]);
    cluster.apply({ kind: "renewReplica", groupId: cluster.group, replicaId: lost });
    expect(cluster.partition.replicas[1]?.replicaId).toBe(fresh);
    cluster.left(lost);
    expect(cluster.state.replicasOf("dir-2")).toMatchObject([{ replicaId: fresh }]);
  });
});

describe("a broker that is decommissioned", () => {
  test("gives every replica to a broker that has none of that partition, and goes when all have left", () => {
    const cluster = new Cluster(5);
    cluster.apply(create("orders", { partitions: 10, replicas: 3 }));
    cluster.apply({ kind: "decommissionBroker", brokerId: 2, avoidBrokers: [], cancel: false });
    const partitions = cluster.state.topicByName("orders")?.partitions ?? [];
    for (const { replicas } of partitions) {
      expect(new Set(replicas.map(({ brokerId }) => brokerId)).size).toBe(3);
      expect(replicas.map(({ brokerId }) => brokerId)).not.toContain(2);
    }
    expect(cluster.state.mayLead(2)).toBe(false);
    const leaving = partitions.flatMap(({ groupId, leaving: going }) =>
      going.map(({ replicaId }) => ({ kind: "replicasLeft" as const, groupId, replicaIds: [replicaId] })),
    );
    for (const command of leaving) cluster.apply(command);
    const seat = cluster.state.controllerReplicas.find(({ brokerId }) => brokerId === 2);
    expect(seat).toMatchObject({ leaving: true });
    expect(cluster.state.broker(2)).not.toBeNull();
    cluster.apply({ kind: "controllerReplicasLeft", replicaIds: [seat?.replicaId ?? 0] });
    expect(cluster.state.broker(2)).toBeNull();
    const back = cluster.apply(register(2, { bootId: "boot-2-2", priorBootIds: ["boot-2-1"] }));
    expect(back).toMatchObject({ ok: false, code: "DATA_DIR_UNUSABLE" });
    expect(cluster.apply(register(2, { directoryId: "dir-2b" }))).toMatchObject({ ok: true });
  });

  test("is refused where too few brokers are left, and where those that are left are down", () => {
    const three = new Cluster(3);
    three.apply(create("orders", { partitions: 1, replicas: 3 }));
    const gone = three.apply({ kind: "decommissionBroker", brokerId: 2, avoidBrokers: [], cancel: false });
    expect(gone).toMatchObject({ ok: false, code: "INVALID_REPLICATION" });
    const four = new Cluster(4);
    four.apply(create("orders", { partitions: 8, replicas: 3 }));
    const down = four.apply({ kind: "decommissionBroker", brokerId: 2, avoidBrokers: [3], cancel: false });
    expect(down).toMatchObject({ ok: false, code: "INVALID_REPLICATION" });
    expect(four.state.broker(2)).toMatchObject({ leaving: false });
  });

  test("gets nothing new meanwhile, and may stay after all", () => {
    const cluster = new Cluster(5);
    cluster.apply({ kind: "decommissionBroker", brokerId: 2, avoidBrokers: [], cancel: false });
    cluster.apply(create("orders", { partitions: 20, replicas: 4 }));
    expect(cluster.state.replicaCounts().get(2)).toBeUndefined();
    expect(cluster.apply(create("all", { replicas: 5 }))).toMatchObject({ code: "INVALID_REPLICATION" });
    cluster.apply({ kind: "decommissionBroker", brokerId: 2, avoidBrokers: [], cancel: true });
    expect(cluster.apply(create("all", { replicas: 5 }))).toMatchObject({ ok: true });
    expect(cluster.state.controllerReplicas.every(({ leaving }) => !leaving)).toBe(true);
  });
});

describe("a broker that lost its disk", () => {
  test("comes back with an empty directory only after it was replaced, and then gets fresh replicas", () => {
    const cluster = withTopic();
    const before = cluster.partition.replicas;
    const wiped = register(2, { directoryId: "dir-2b", bootId: "boot-2-b" });
    expect(cluster.apply(wiped)).toMatchObject({ ok: false, code: "DATA_DIR_UNUSABLE" });
    expect(cluster.apply({ kind: "replaceBroker", brokerId: 2 })).toMatchObject({ ok: true });
    expect(cluster.apply(wiped)).toMatchObject({ ok: true });
    const [fresh] = cluster.state.replicasOf("dir-2b");
    expect(fresh?.replicaId).toBeGreaterThan(3);
    expect(cluster.partition.leaving).toEqual([before[1]]);
    const seats = cluster.state.controllerReplicas.filter(({ brokerId }) => brokerId === 2);
    expect(seats.map(({ directoryId, leaving }) => `${directoryId} ${leaving}`)).toEqual([
      "dir-2 true",
      "dir-2b false",
    ]);
    const old = register(2, { bootId: "boot-2-2", priorBootIds: ["boot-2-1"] });
    expect(cluster.apply(old)).toMatchObject({ ok: false, code: "DATA_DIR_UNUSABLE" });
    expect(cluster.apply({ kind: "replaceBroker", brokerId: 9 })).toMatchObject({ ok: false });
  });
});

describe("a drained broker", () => {
  test("is no preferred leader until it is started again", () => {
    const cluster = withTopic();
    cluster.apply({ kind: "drainBroker", brokerId: 1, drained: true });
    expect(cluster.preferred).toBe(2);
    cluster.apply(register(1, { bootId: "boot-1-2", priorBootIds: ["boot-1-1"] }));
    expect(cluster.preferred).toBe(1);
  });
});

test(`random changes mint no replica id twice, keep replicas on distinct directories, and survive a snapshot, seed ${seed}`, () => {
  const prng = new Prng(seed);
  const cluster = withTopic(6);
  const minted = new Set<number>();
  const last = { replicaId: 0 };
  for (let step = 0; step < 2_000; step++) {
    const { replicas, leaving } = cluster.partition;
    const brokers = [1, 2, 3, 4, 5, 6].filter(() => prng.chance(0.5));
    const kinds = [
      () => cluster.move(brokers),
      () => cluster.left(...leaving.filter(() => prng.chance(0.5)).map(({ replicaId }) => replicaId)),
      () => cluster.apply({ kind: "renewReplica", groupId: cluster.group, replicaId: prng.pick(replicas).replicaId }),
      () =>
        cluster.apply({
          kind: "decommissionBroker",
          brokerId: prng.between(1, 6),
          avoidBrokers: [],
          cancel: prng.chance(0.7),
        }),
    ];
    prng.pick(kinds)();
    const now = cluster.partition;
    expect(new Set(now.replicas.map(({ directoryId }) => directoryId)).size).toBe(now.replicas.length);
    expect(now.replicas.length).toBeGreaterThan(0);
    expect(now.leaving.length).toBeLessThanOrEqual(CLUSTER_LIMITS.leavingReplicasMax);
    for (const { replicaId } of [...now.replicas, ...now.leaving]) {
      expect(replicaId).toBeLessThan(now.nextReplicaId);
      if (replicaId <= last.replicaId) expect(minted).toContain(replicaId);
      minted.add(replicaId);
    }
    last.replicaId = Math.max(...minted);
    const gone = [...minted].filter(
      (id) => ![...now.replicas, ...now.leaving].some(({ replicaId }) => replicaId === id),
    );
    for (const id of gone) {
      expect(cluster.state.hasLeft(cluster.group, id)).toBe(true);
      minted.delete(id);
    }
    if (step % 200 === 0)
      expect(ControllerState.restore(cluster.state.snapshot()).snapshot()).toEqual(cluster.state.snapshot());
  }
});
