/**
 * topic-policy.ts: what this broker's settings add to a request about topics before it becomes a command: defaults for what the
 * client left open, and limits that the operator lowered. What no operator may change is checked by the controller's state.
 */
import { VarveError } from "@varve/base";
import { isTopicConfigKey, TOPIC_CONFIG, type TopicConfigPatch } from "@varve/cluster";
import type { BrokerConfig } from "./settings.js";

/** The part of a create request that settings speak about. */
export interface TopicShape {
  readonly partitions: number | null;
  readonly replicas: number | null;
  readonly config: TopicConfigPatch;
}

type TopicPolicyConfig = Pick<BrokerConfig, "limits" | "topicDefaults">;

/**
 * The shape with this broker's defaults filled in. Defaults that equal the built-in ones stay out, so that such topics follow them.
 * @throws VarveError INVALID_PARTITIONS, INVALID_REPLICATION when a limit that was lowered here is exceeded.
 */
export function completeTopicShape(config: TopicPolicyConfig, shape: TopicShape): TopicShape {
  const { partitions: defaultPartitions, ...defaults } = config.topicDefaults;
  const partitions = shape.partitions ?? defaultPartitions;
  checkPartitions(config, partitions);
  const { replicasMax } = config.limits;
  if (shape.replicas !== null && shape.replicas > replicasMax) {
    throw new VarveError("INVALID_REPLICATION", {
      message: `${shape.replicas} replicas are more than limits.replicasMax of this broker, ${replicasMax}; nothing was created`,
      details: { replicas: shape.replicas, replicasMax },
    });
  }
  const settings: Record<string, number | null> = {};
  for (const [key, value] of Object.entries(defaults)) {
    if (isTopicConfigKey(key) && TOPIC_CONFIG[key].default !== value) settings[key] = value;
  }
  return {
    partitions,
    replicas: shape.replicas,
    config: Object.fromEntries([...Object.entries(settings), ...Object.entries(shape.config)]),
  };
}

/** @throws VarveError INVALID_PARTITIONS when the limit of this broker is exceeded. */
export function checkPartitions({ limits }: TopicPolicyConfig, partitions: number): void {
  const { partitionsPerTopicMax } = limits;
  if (partitions <= partitionsPerTopicMax) return;
  throw new VarveError("INVALID_PARTITIONS", {
    message: `${partitions} partitions are more than limits.partitionsPerTopicMax of this broker, ${partitionsPerTopicMax}; nothing was changed`,
    details: { partitions, partitionsMax: partitionsPerTopicMax },
  });
}
