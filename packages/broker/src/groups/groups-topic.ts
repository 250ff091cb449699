/**
 * groups-topic.ts: makes the internal topic that holds groups, when the first group comes into being.
 *
 * Its number of replicas is fixed then. So while a cluster is young it waits for as many brokers as the seeds promise; after a while it
 * takes what there is, since a group with fewer replicas is better than none.
 */
import { type Clock, MIB, type Random, randomUuid, SECOND_MS, VarveError } from "@varve/base";
import { type ControllerState, expectValue, GROUPS_TOPIC, TOPIC_DEFAULTS, UNLIMITED } from "@varve/cluster";
import type { ControllerAccess, Patience } from "../controller/access.js";

export interface GroupsTopicOptions {
  readonly access: ControllerAccess;
  readonly state: () => ControllerState;
  readonly seedCount: number;
  /** Partitions of the topic (H1). */
  readonly shards: number;
  readonly clock: Clock;
  readonly random: Random;
}

/** How long brokers that have not come are waited for, from this broker's start, milliseconds. */
const WAIT_FOR_BROKERS_MS = 30 * SECOND_MS;
/** Small, since a restart reads the last one; the checkpoint at its end lets the ones before go. */
const SEGMENT_BYTES = 4 * MIB;

/** Resolves when the topic is known here. @throws VarveError COORDINATOR_LOADING: more brokers are waited for. */
export function groupsTopicCreator(options: GroupsTopicOptions): (patience: Patience) => Promise<void> {
  const { access, state, seedCount, shards, clock, random } = options;
  const startedAtMs = clock.monotonicMs();
  let creating: Promise<void> | null = null;
  const create = async (patience: Patience): Promise<void> => {
    const brokers = state().brokers().length;
    const wanted = Math.min(TOPIC_DEFAULTS.replicas, Math.max(seedCount, brokers));
    if (brokers < wanted && clock.monotonicMs() - startedAtMs < WAIT_FOR_BROKERS_MS) throw tooFew(brokers, wanted);
    const command = {
      kind: "createTopic",
      topic: GROUPS_TOPIC,
      topicId: randomUuid(random),
      partitions: shards,
      replicas: Math.min(wanted, brokers),
      config: { retentionMs: UNLIMITED, segmentBytes: SEGMENT_BYTES },
      ifNotExists: true,
      avoidBrokers: [],
    } as const;
    expectValue(await access.execute(command, patience), "topic");
  };
  return (patience) => {
    creating ??= create(patience).finally(() => {
      creating = null;
    });
    return creating;
  };
}

function tooFew(brokers: number, wanted: number): VarveError {
  return new VarveError("COORDINATOR_LOADING", {
    message: `groups are kept on ${wanted} brokers, of which ${brokers} have registered so far; nothing was changed; retry`,
    details: { brokers, wanted },
    retryAfterMs: 250,
  });
}
