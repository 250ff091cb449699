/**
 * pause-set.ts: which partitions the user paused: whole topics, single partitions, and exceptions from whole topics. It says so of
 * partitions that are assigned later, too.
 */
import { integerIn, invalidArgument } from "../options.js";
import { checkTopicName } from "../producer/encoded-record.js";
import type { PartitionSelector } from "./options.js";

interface TopicPause {
  /** What is said of partitions that are not named. */
  readonly isWhole: boolean;
  readonly partitions: Map<number, boolean>;
}

export class PauseSet {
  private readonly topics = new Map<string, TopicPause>();

  has(topic: string, partition: number): boolean {
    const pause = this.topics.get(topic);
    return pause?.partitions.get(partition) ?? pause?.isWhole ?? false;
  }

  /** @throws VarveError INVALID_ARGUMENT, INVALID_TOPIC_NAME. */
  set(selectors: readonly PartitionSelector[], isPaused: boolean): void {
    for (const { topic, partitions } of selectors.map(checked)) {
      if (partitions === null) {
        this.topics.set(topic, { isWhole: isPaused, partitions: new Map() });
        continue;
      }
      const pause = this.topics.get(topic) ?? { isWhole: false, partitions: new Map<number, boolean>() };
      for (const partition of partitions) pause.partitions.set(partition, isPaused);
      this.topics.set(topic, pause);
    }
  }
}

function checked(selector: PartitionSelector): {
  readonly topic: string;
  readonly partitions: readonly number[] | null;
} {
  if (typeof selector !== "string" && (typeof selector !== "object" || selector === null)) {
    throw invalidArgument('give topics by name, or { topic, partitions }: pause(["orders"])');
  }
  const topic = typeof selector === "string" ? selector : selector.topic;
  checkTopicName(topic);
  const partitions = typeof selector === "string" ? null : (selector.partitions ?? null);
  return {
    topic,
    partitions: partitions?.map((partition) => integerIn("a partition", partition, 0, 2 ** 31 - 1)) ?? null,
  };
}
