/**
 * state-model.test.ts: random commands against a slow, obvious model of what they mean, with the invariants of state.ts checked
 * after each, by other means than the code uses.
 */
import { HASH_SPACE, nameProblem } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { expect, test } from "vitest";
import { decodeCommand, encodeCommand } from "./command-codec.js";
import type { ControllerCommand } from "./commands.js";
import type { GroupReplica } from "./model.js";
import type { CommandResult } from "./result.js";
import { ControllerState } from "./state.js";
import { create, found, register, topicIdOf } from "./testing/commands.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);

const NAMES = ["a", "b", "c", "orders", "x.y-z_0", "..", "__proto__", "", "bad name"];

interface ModelTopic {
  readonly name: string;
  readonly topicId: string;
  readonly replicas: number;
  partitions: number;
  readonly config: Map<string, number>;
}

/** The meaning of the commands in as few words as possible: lists, linear searches, no placement, no ranges. */
class Model {
  readonly topics: ModelTopic[] = [];
  readonly brokers: {
    readonly brokerId: number;
    readonly directoryId: string;
    lastBoot: string;
    rack: string | null;
  }[] = [];
  readonly usedTopicIds: string[] = [];
  nextProducerId = 1;

  /** "ok", or the code of the refusal. */
  apply(command: ControllerCommand): string {
    switch (command.kind) {
      case "registerBroker":
        return this.register(command);
      case "createTopic":
        return this.create(command);
      case "deleteTopic": {
        const at = this.topics.findIndex(({ name }) => name === command.topic);
        if (at < 0) return "UNKNOWN_TOPIC";
        if (command.topicId !== null && this.topics[at]?.topicId !== command.topicId) return "UNKNOWN_TOPIC_ID";
        this.topics.splice(at, 1);
        return "ok";
      }
      case "alterTopic": {
        const topic = this.topics.find(({ name }) => name === command.topic);
        if (topic === undefined) return "UNKNOWN_TOPIC";
        return this.configure(topic.config, command.config);
      }
      case "addPartitions": {
        const topic = this.topics.find(({ name }) => name === command.topic);
        if (topic === undefined) return "UNKNOWN_TOPIC";
        if (command.partitions < topic.partitions || command.partitions > 10_000) return "INVALID_PARTITIONS";
        topic.partitions = command.partitions;
        return "ok";
      }
      case "allocateProducerIds":
        if (command.count < 1 || command.count > 1_000_000) return "INVALID_ARGUMENT";
        this.nextProducerId += command.count;
        return "ok";
      default:
        return "ok";
    }
  }

  private register(command: Extract<ControllerCommand, { kind: "registerBroker" }>): string {
    const { brokerId, directoryId, bootId, priorBootIds, rack } = command;
    const known = this.brokers.find((broker) => broker.brokerId === brokerId);
    if (known === undefined) {
      this.brokers.push({ brokerId, directoryId, lastBoot: bootId, rack });
      return "ok";
    }
    if (known.directoryId !== directoryId) return "DATA_DIR_UNUSABLE";
    if (![...priorBootIds, bootId].includes(known.lastBoot)) return "DATA_DIR_UNUSABLE";
    known.lastBoot = bootId;
    known.rack = rack;
    return "ok";
  }

  private create(command: Extract<ControllerCommand, { kind: "createTopic" }>): string {
    const existing = this.topics.find(({ name }) => name === command.topic);
    if (existing?.topicId === command.topicId || (existing !== undefined && command.ifNotExists)) return "ok";
    if (nameProblem(command.topic) !== null) return "INVALID_TOPIC_NAME";
    if (existing !== undefined) return "TOPIC_EXISTS";
    if (this.usedTopicIds.includes(command.topicId)) return "INVALID_ARGUMENT";
    const partitions = command.partitions ?? 6;
    const replicas = command.replicas ?? Math.min(3, this.brokers.length);
    if (partitions < 1 || partitions > 10_000) return "INVALID_PARTITIONS";
    if (replicas < 1 || replicas > 7 || replicas > this.brokers.length) return "INVALID_REPLICATION";
    const config = new Map<string, number>();
    if (this.configure(config, command.config) !== "ok") return "INVALID_CONFIG";
    this.topics.push({ name: command.topic, topicId: command.topicId, replicas, partitions, config });
    this.usedTopicIds.push(command.topicId);
    return "ok";
  }

  private configure(config: Map<string, number>, patch: Readonly<Record<string, number | null>>): string {
    const entries = Object.entries(patch);
    const good = ([key, value]: [string, number | null]): boolean =>
      (key === "retentionMs" && (value === null || value === -1 || value >= 100)) ||
      (key === "segmentBytes" && (value === null || (value >= 65_536 && value <= 2 ** 30)));
    if (!entries.every(good)) return "INVALID_CONFIG";
    for (const [key, value] of entries) value === null ? config.delete(key) : config.set(key, value);
    return "ok";
  }
}

/** Draws commands; remembers topic ids and starts, so that repeats and stale ones come up. */
class CommandSource {
  private readonly prng: Prng;
  private readonly topicIds: string[] = [];
  private readonly starts = new Map<number, string[]>();

  constructor(prng: Prng) {
    this.prng = prng;
  }

  next(): ControllerCommand {
    const { prng } = this;
    const topic = prng.pick(NAMES);
    const avoidBrokers = prng.chance(0.2) ? [prng.between(1, 8)] : [];
    switch (prng.between(0, 9)) {
      case 0:
      case 1:
        return this.registration();
      case 2:
      case 3:
      case 4:
        return create(topic, {
          topicId: this.topicId(),
          partitions: prng.chance(0.3) ? null : prng.between(0, 12),
          replicas: prng.chance(0.3) ? null : prng.between(0, 8),
          config: this.config(),
          ifNotExists: prng.chance(0.3),
          avoidBrokers,
        });
      case 5:
        return { kind: "alterTopic", topic, config: this.config() };
      case 6:
      case 7:
        return { kind: "addPartitions", topic, partitions: prng.between(1, 30), avoidBrokers };
      case 8:
        return { kind: "deleteTopic", topic, topicId: prng.chance(0.5) ? null : this.topicId() };
      default:
        return { kind: "allocateProducerIds", count: prng.between(0, 5) };
    }
  }

  private topicId(): string {
    if (this.topicIds.length > 0 && this.prng.chance(0.2)) return this.prng.pick(this.topicIds);
    const topicId = topicIdOf(this.prng.uint32());
    this.topicIds.push(topicId);
    return topicId;
  }

  private config(): Record<string, number | null> {
    const { prng } = this;
    if (prng.chance(0.4)) return {};
    if (prng.chance(0.1)) return { nonsense: 1 };
    return {
      retentionMs: prng.pick([-1, 0, 100, 5_000, null]),
      ...(prng.chance(0.5) ? { segmentBytes: prng.pick([1, 65_536, 2 ** 20, null]) } : {}),
    };
  }

  private registration(): ControllerCommand {
    const { prng } = this;
    const brokerId = prng.between(1, 8);
    const starts = this.starts.get(brokerId) ?? [];
    const rack = prng.pick([null, "r1", "r2", "r3"]);
    if (starts.length > 0 && prng.chance(0.1))
      return register(brokerId, { directoryId: `other-${prng.uint32()}`, rack });
    const bootId = `boot-${brokerId}-${prng.uint32()}`;
    const rolledBack = starts.length > 0 && prng.chance(0.1);
    const priorBootIds = rolledBack ? starts.slice(0, -1) : starts.slice(-63);
    if (!rolledBack) this.starts.set(brokerId, [...starts, bootId]);
    return register(brokerId, { bootId, priorBootIds, rack });
  }
}

function checkAgainstModel(state: ControllerState, model: Model, where: string): void {
  const shown = state.topics().map(({ topic, topicId, replicas, partitions, config }) => ({
    name: topic,
    topicId,
    replicas,
    partitions: partitions.length,
    config: new Map(Object.entries(config)),
  }));
  const expected = [...model.topics].sort((left, right) => (left.name < right.name ? -1 : 1));
  expect(shown, where).toEqual(expected);
  expect(
    state.brokers().map(({ brokerId }) => brokerId),
    where,
  ).toEqual(model.brokers.map(({ brokerId }) => brokerId).sort((left, right) => left - right));
}

/** Cheaper than `expect` where it runs a million times. */
function check(holds: boolean, message: () => string): void {
  if (!holds) throw new Error(message());
}

function checkInvariants(state: ControllerState, everSeenGroups: Map<number, string>, where: string): void {
  for (const { topicId, replicas: replicaCount, partitions } of state.topics()) {
    let covered = 0;
    for (const { hashStart, hashEnd } of [...partitions].sort((left, right) => left.hashStart - right.hashStart)) {
      check(hashStart === covered && hashEnd > hashStart, () => `T3: ${where}`);
      covered = hashEnd;
    }
    check(covered === HASH_SPACE, () => `T3: ${where}`);
    for (const { groupId, partition, replicas } of partitions) {
      const place = `${topicId}/${partition}`;
      check(
        (everSeenGroups.get(groupId) ?? place) === place,
        () => `T2: group ${groupId} belongs to one partition: ${where}`,
      );
      everSeenGroups.set(groupId, place);
      check(state.partitionOf(groupId)?.topic.topicId === topicId, () => `T1: ${where}`);
      checkReplicas(state, replicas, replicaCount, where);
    }
  }
}

function checkReplicas(state: ControllerState, replicas: readonly GroupReplica[], count: number, where: string): void {
  check(new Set(replicas.map(({ brokerId }) => brokerId)).size === count, () => `P1: ${where}`);
  check(new Set(replicas.map(({ replicaId }) => replicaId)).size === count, () => `T2: replica ids: ${where}`);
  for (const { brokerId, directoryId } of replicas) {
    check(state.broker(brokerId)?.directoryId === directoryId, () => `T4: ${where}`);
  }
}

function snapshotText(state: ControllerState | undefined): string {
  return new TextDecoder().decode(state?.snapshot());
}

function code(result: CommandResult): string {
  return result.ok ? "ok" : result.code;
}

test(`random commands do what an obvious model says, and break no invariant (SEED=${seed})`, () => {
  const prng = new Prng(seed);
  const codes = new Set<string>();
  for (let round = 0; round < 30; round++) {
    const source = new CommandSource(prng.fork());
    const model = new Model();
    const groups = new Map<number, string>();
    const states = [ControllerState.empty(), ControllerState.empty()];
    for (const state of states) state.apply(found([1, 2, 3]), { index: 1, appendTimeMs: 1 });
    let index = 1;
    for (let step = 0; step < 100; step++) {
      index += prng.between(1, 3);
      const command = source.next();
      const where = `SEED=${seed} round ${round} step ${step}: ${JSON.stringify(command)}`;
      const versionBefore = states[0]?.metadataVersion ?? 0;
      const bytes = encodeCommand(command);
      const results = states.map((state) => state.apply(decodeCommand(bytes), { index, appendTimeMs: 1_000 + step }));
      const [result] = results;
      const [state] = states;
      if (result === undefined || state === undefined) throw new Error("no state");
      // The founding binds brokers 1 to 3 to their directories before they register.
      const boundByFounding =
        command.kind === "registerBroker" && command.brokerId <= 3 && command.directoryId !== `dir-${command.brokerId}`;
      const want = boundByFounding ? "DATA_DIR_UNUSABLE" : model.apply(command);
      codes.add(want);
      expect(code(result), where).toBe(want);
      expect(results[1], `${where}: S1`).toEqual(result);
      if (command.kind === "allocateProducerIds" && result.ok) {
        expect(result.value, where).toMatchObject({ first: model.nextProducerId - command.count });
      }
      expect([versionBefore, index], `${where}: S3`).toContain(state.metadataVersion);
      checkAgainstModel(state, model, where);
      checkInvariants(state, groups, where);
      // One of the two is now and then replaced by its own snapshot: nothing may depend on what a snapshot leaves out.
      if (prng.chance(0.1)) states[1] = ControllerState.restore(states[1]?.snapshot() ?? new Uint8Array());
      check(snapshotText(states[1]) === snapshotText(state), () => `S1: ${where}`);
    }
  }
  expect([...codes].sort(), "the commands reach every answer").toEqual(
    [
      "DATA_DIR_UNUSABLE",
      "INVALID_ARGUMENT",
      "INVALID_CONFIG",
      "INVALID_PARTITIONS",
      "INVALID_REPLICATION",
      "INVALID_TOPIC_NAME",
      "TOPIC_EXISTS",
      "UNKNOWN_TOPIC",
      "UNKNOWN_TOPIC_ID",
      "ok",
    ].sort(),
  );
});
