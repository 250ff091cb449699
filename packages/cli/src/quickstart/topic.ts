/** topic.ts: the topic of the quickstart, which both of its processes know. */
export const TOPIC = "quickstart";
export const PARTITIONS = 6;
export const REPLICAS = 3;
export const BROKERS = 3;
