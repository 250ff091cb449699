/**
 * snapshot-v1.ts: what version 1 of the controller's section lacks, filled in. It is read as it stands otherwise: the reader of the newest
 * version judges the result, whatever this makes of damaged input.
 */
type Fields = Readonly<Record<string, unknown>>;

/** In version 1 nothing had ever moved: the replicas of a partition were its first voters, and nobody was leaving. */
export function fromVersion1(raw: unknown): unknown {
  if (!isFields(raw)) return raw;
  return {
    ...raw,
    version: 2,
    controllerReplicas: each(raw["controllerReplicas"], (replica) => ({ ...replica, leaving: false })),
    directories: each(raw["directories"], (directory) => ({ ...directory, retired: false, decommissionedFrom: null })),
    brokers: each(raw["brokers"], (broker) => ({ ...broker, drained: false, leaving: false })),
    topics: each(raw["topics"], (topic) => ({ ...topic, partitions: each(topic["partitions"], settled) })),
  };
}

function settled(partition: Fields): Fields {
  const { replicas } = partition;
  const ids = Array.isArray(replicas)
    ? replicas.map((replica: unknown) => isFields(replica) && replica["replicaId"])
    : [];
  return { ...partition, initialVoters: ids, leaving: [] };
}

function each(value: unknown, fill: (fields: Fields) => Fields): unknown {
  return Array.isArray(value) ? value.map((item: unknown) => (isFields(item) ? fill(item) : item)) : value;
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null;
}
