/** sections.ts: what the status page says of brokers, topics and groups. */
export const SECTIONS = `
/** @typedef {import("./status.js").ClusterStatus} ClusterStatus */
/** @typedef {import("./status.js").TopicRow} TopicRow */
/** @typedef {import("./status.js").PartitionRow} PartitionRow */
/** @typedef {import("./status.js").GroupRow} GroupRow */
/** Of those that are known; null when there are some and none is. @param {readonly (number | null)[]} values */
const sum = (values) => {
  const known = values.filter((value) => value !== null);
  return known.length === 0 && values.length > 0 ? null : known.reduce((total, value) => total + value, 0);
};
/** @param {PartitionRow} partition */
const records = ({ highWatermark, logStart }) =>
  highWatermark === null || logStart === null ? null : highWatermark - logStart;
/** @param {PartitionRow} partition */
const isWell = ({ leader, replicas }) => leader !== null && replicas.every(({ inSync }) => inSync === true);
/** @param {number | null} lagMs @param {number | null} lagRecords @param {number} unknown */
const lagText = (lagMs, lagRecords, unknown) => {
  const more = unknown > 0 && lagRecords !== null ? "at least " : "";
  return { records: more + count(lagRecords), time: more + duration(lagMs) };
};

/** @param {ClusterStatus} status */
const drawBrokers = (status) => {
  fill(byId("brokers"), status.brokers, "broker", ({ broker }) => String(broker), (row, broker) =>
    setCells(row, [
      heading(String(broker.broker)),
      broker.ready ? tag("ready", "good") : tag("not ready", "bad"),
      cell(broker.address),
      cell(broker.rack ?? "none"),
      cell(broker.version),
      cell(broker.broker === status.controller ? "leads" : ""),
      number(count(broker.partitionsLed)),
      number(count(broker.replicas)),
      cell(broker.reasons.join("; "), "wide"),
    ]),
  );
};

/** @param {import("./status.js").ReplicaRow} replica @param {number | null} leader */
const replicaTag = ({ broker, inSync, lagEntries }, leader) => {
  if (inSync === null) return { text: broker + " unknown", tone: "warn" };
  if (broker === leader) return { text: broker + " leads", tone: "good" };
  if (inSync) return { text: broker + " in sync", tone: "good" };
  return { text: broker + (lagEntries === 0 ? " silent" : " behind by " + count(lagEntries)), tone: "bad" };
};
/** @type {Kind<TopicRow>} */
const TOPICS = {
  kind: "topic",
  nameOf: ({ topic }) => topic,
  columns: 6,
  cells: ({ partitions, replicas, internal }) => {
    const ill = partitions.filter((partition) => !isWell(partition)).length;
    return [
      number(count(partitions.length)),
      number(count(replicas)),
      number(count(sum(partitions.map(records)))),
      number(bytes(sum(partitions.map(({ sizeBytes }) => sizeBytes)))),
      tags([
        ...(ill > 0 ? [{ text: ill + " of " + counted(partitions.length, "partition") + " not well", tone: "bad" }] : [{ text: "well", tone: "good" }]),
        ...(internal ? [{ text: "internal", tone: "" }] : []),
      ]),
    ];
  },
  frame: () => [
    table("Partitions", ["Partition", "Leader", "#Epoch", "#Log start", "#High watermark", "#Size", "Replicas, by broker"]),
  ],
  detail: (details, { partitions }) => {
    fill(details, partitions.filter(isShown), "partition", ({ partition }) => String(partition), (row, partition) =>
      setCells(row, [
        heading(String(partition.partition)),
        partition.leader === null ? tag("none", "bad") : tag("broker " + partition.leader, ""),
        number(count(partition.epoch)),
        number(count(partition.logStart)),
        number(count(partition.highWatermark)),
        number(bytes(partition.sizeBytes)),
        tags(partition.replicas.map((replica) => replicaTag(replica, partition.leader))),
      ]),
    );
  },
};

const STATES = { stable: "good", assigning: "warn", reconciling: "warn", empty: "" };
/** @type {Kind<GroupRow>} */
const GROUPS = {
  kind: "group",
  nameOf: ({ group }) => group,
  columns: 6,
  cells: (group) => {
    const lag = lagText(group.lagMs, group.lagRecords, group.lagUnknown);
    return [
      tag(group.state, STATES[group.state] ?? "warn"),
      number(count(group.memberCount)),
      number(lag.records),
      number(lag.time),
      cell("broker " + group.coordinator),
    ];
  },
  frame: () => {
    const members = element("div", "members", [
      element("h3", "", "Members"),
      table("Members", ["Member", "Static id", "Client", "Host", "Partitions"]),
    ]);
    const partitions = element("div", "partitions", [
      element("h3", "", "Partitions"),
      table("Lag by partition", ["Partition", "#Committed", "#Lag, records", "#Lag, time", "Member"]),
    ]);
    return [members, partitions];
  },
  detail: (details, group) => {
    const [members, partitions] = details.children;
    if (!(members instanceof HTMLElement && partitions instanceof HTMLElement)) return;
    // A static id is what people gave a member; the other is random.
    const nameOf = new Map(group.members.map(({ memberId, staticId }) => [memberId, staticId ?? memberId]));
    fill(
      members,
      group.members,
      "member",
      ({ memberId }) => memberId,
      (row, member) =>
        setCells(row, [
          heading(member.memberId + (member.away ? " (away)" : "")),
          cell(member.staticId ?? "none"),
          cell(member.clientId || "none", "wide"),
          cell(member.host),
          cell(
            member.assigned.map(({ topic, partitions: owned }) => topic + " " + ranges(owned)).join("; ") || "none",
            "wide",
          ),
        ]),
      group.memberCount - group.members.length,
    );
    fill(
      partitions,
      group.partitions,
      "partition",
      ({ topic, partition }) => topic + "/" + partition,
      (row, { topic, partition, committed, lagRecords, lagMs, memberId }) =>
        setCells(row, [
          heading(topic + "/" + partition),
          number(committed === null ? "none" : count(committed)),
          number(count(lagRecords)),
          number(duration(lagMs)),
          cell(memberId === null ? "nobody" : (nameOf.get(memberId) ?? memberId), "wide"),
        ]),
      group.partitionCount - group.partitions.length,
    );
  },
};
`;
