/** commands.ts: commands with everything filled in, for this package's tests. */
import type { BrokerId } from "@varve/base";
import type { CreateTopicCommand, FoundingCommand, RegisterBrokerCommand } from "../commands.js";

/** A UUID that `number` determines. */
export function topicIdOf(number: number): string {
  return `00000000-0000-4000-8000-${number.toString(16).padStart(12, "0")}`;
}

let lastTopicId = 0;

/** Creates `topic` under a topic id of its own. */
export function create(topic: string, fields: Partial<CreateTopicCommand> = {}): CreateTopicCommand {
  return {
    kind: "createTopic",
    topic,
    topicId: topicIdOf(++lastTopicId),
    partitions: null,
    replicas: null,
    config: {},
    ifNotExists: false,
    avoidBrokers: [],
    ...fields,
  };
}

/** Registers a broker with a directory, host and addresses of its own. */
export function register(brokerId: BrokerId, fields: Partial<RegisterBrokerCommand> = {}): RegisterBrokerCommand {
  return {
    kind: "registerBroker",
    brokerId,
    directoryId: `dir-${brokerId}`,
    bootId: `boot-${brokerId}-1`,
    priorBootIds: [],
    grpcAddress: `127.0.0.1:${7_650 + 10 * brokerId}`,
    peerAddress: `127.0.0.1:${7_651 + 10 * brokerId}`,
    opsAddress: `127.0.0.1:${7_652 + 10 * brokerId}`,
    rack: null,
    host: `host-${brokerId}`,
    version: "0.1.0",
    formatVersion: 1,
    formatVersionMin: 1,
    ...fields,
  };
}

/** Founds cluster c-1 on these brokers; their replica ids of the controller's group are 1, 2, ... */
export function found(brokerIds: readonly BrokerId[]): FoundingCommand {
  return {
    kind: "founding",
    clusterId: "c-1",
    voters: brokerIds.map((brokerId, at) => ({
      brokerId,
      directoryId: `dir-${brokerId}`,
      replicaId: at + 1,
      peerAddress: `127.0.0.1:${7_651 + 10 * brokerId}`,
    })),
  };
}
