/**
 * coordinated-groups.ts: the groups that this broker coordinates, from its coordinators, and how far their readers are, from whoever leads.
 */
import type { GroupApi } from "../api/group-api.js";
import type { Broker } from "../broker.js";
import type { GroupFacts, GroupSource } from "./group-report.js";

/** How long leaders elsewhere may take to answer, milliseconds: less than whoever asked for a report waits. */
const BACKLOG_MS = 1_000;

export function coordinatedGroups(broker: Broker, api: GroupApi): GroupSource {
  const { clock } = broker.ports;
  return {
    coordinated: (max) => {
      const groups: GroupFacts[] = [];
      let total = 0;
      for (const coordinator of broker.partitions.allCoordinators()) {
        const coordinatorEpoch = coordinator.servingEpoch();
        if (coordinatorEpoch === null) continue;
        const described = coordinator.describeFirst(max);
        total += described.total;
        groups.push(...described.groups.map((group) => ({ ...group, coordinatorEpoch })));
      }
      groups.sort((left, right) => (left.group < right.group ? -1 : 1));
      return { groups: groups.slice(0, max), total };
    },
    backlogs: (places) => {
      const signal = new AbortController().signal;
      return api.backlogs(places, { deadlineAtMs: clock.monotonicMs() + BACKLOG_MS, signal, forwarded: false });
    },
    topicName: (topicId) => broker.router.topicName(topicId),
    nowMs: () => broker.clusterClock.nowMs(),
  };
}
