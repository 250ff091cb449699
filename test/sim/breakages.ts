/**
 * breakages.ts: the broken variants that need more than a line.
 */
import type { Coordinator } from "@varve/broker/testing";
import type { GroupLog } from "@varve/storage";
import { wrap } from "./wrap.js";

type State = ReturnType<GroupLog["producerState"]>;

/** What a recovery brought back of producers is not known, until they write again. */
export function forgetProducers(log: GroupLog): void {
  const recovered = new Map<number, State>();
  const producerState = log.producerState.bind(log);
  const isForgotten = (producerId: number): boolean => {
    const now = producerState(producerId);
    if (!recovered.has(producerId)) recovered.set(producerId, now);
    const then = recovered.get(producerId);
    return now?.epoch === then?.epoch && now?.lastSequence === then?.lastSequence;
  };
  wrap(log, "producerState", (inner) => (producerId) => (isForgotten(producerId) ? null : inner(producerId)));
  wrap(log, "producerVerdict", (inner) => (stamp) => {
    if (!isForgotten(stamp.producerId)) return inner(stamp);
    return stamp.baseSequence === 0 ? { kind: "append" } : { kind: "unknown" };
  });
}

/** What goes into checkpoints has forgotten that two configurations must agree. */
export function withoutJoint(log: GroupLog): void {
  wrap(
    log,
    "setReplicas",
    (inner) => (index, replicas) => inner(index, { ...replicas, votersOutgoing: [], autoLeave: false }),
  );
}

/** Whoever commits for a partition is taken for its owner. */
export function commitWithoutFence(coordinator: Coordinator): void {
  wrap(coordinator, "commit", (commit) => (request) => {
    const { groups } = coordinator.describeFirst(Number.MAX_SAFE_INTEGER);
    const [first] = request.offsets;
    const members = groups.find(({ group }) => group === request.group)?.members ?? [];
    const owner = members.find(({ assigned }) =>
      assigned.some(({ topicId, partitions }) => topicId === first?.topicId && partitions.includes(first.partition)),
    );
    if (owner === undefined) return commit(request);
    const isOwned = (topicId: string, partition: number): boolean =>
      owner.assigned.some((each) => each.topicId === topicId && each.partitions.includes(partition));
    const offsets = request.offsets
      .filter(({ topicId, partition }) => isOwned(topicId, partition))
      .map((offset) => ({ ...offset, assignmentEpoch: null }));
    return commit({ ...request, memberId: owner.memberId, memberEpoch: owner.memberEpoch, offsets });
  });
}
