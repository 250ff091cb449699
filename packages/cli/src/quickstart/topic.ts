/** topic.ts: the topic of the quickstart and the group that reads it, which all of its processes know. */
export const TOPIC = "quickstart";
export const PARTITIONS = 6;
export const REPLICAS = 3;
export const BROKERS = 3;
export const GROUP = "quickstart-readers";
