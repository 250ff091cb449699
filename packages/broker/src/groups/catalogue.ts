/**
 * catalogue.ts: the controller's topics, as groups see them: without internal ones.
 */
import { type ControllerState, isInternalTopic } from "@varve/cluster";
import type { TopicCatalogue } from "@varve/groups";

export function topicCatalogue(state: ControllerState): TopicCatalogue {
  return {
    version: state.metadataVersion,
    byName: (topic) => {
      const found = isInternalTopic(topic) ? null : state.topicByName(topic);
      return found === null ? null : { topic, topicId: found.topicId, partitions: found.partitions.length };
    },
    hasId: (topicId) => state.topicById(topicId) !== null,
  };
}
