/** leadership.test.ts: to whom a leadership is handed. */
import { SimClock } from "@varve/base/testing";
import { expect, test } from "vitest";
import type { Replica } from "../replica/replica.js";
import { Leadership } from "./leadership.js";

/** What the leader, replica 1, knows of another; by default it could lead. */
interface Follower {
  readonly isVoter?: boolean;
  readonly isConnected?: boolean;
  readonly isSlow?: boolean;
  readonly isLeaving?: boolean;
  readonly state?: "probe" | "replicate";
  readonly isAnswering?: boolean;
  readonly match?: number;
}

const LAST_INDEX = 1_000;

/** A leader with followers 2, 3, ... on brokers of the same ids. */
function leaderOf(...followers: readonly Follower[]) {
  const known = new Map(followers.map((follower, at) => [at + 2, follower]));
  const handedTo: number[] = [];
  const replica = {
    id: 1,
    groupId: 7,
    isLeader: () => true,
    log: { replicas: { voters: [1, ...[...known].flatMap(([id, { isVoter = true }]) => (isVoter ? [id] : []))] } },
    node: {
      transferee: 0,
      lastIndex: LAST_INDEX,
      progress: (id: number) => {
        const follower = known.get(id);
        if (follower === undefined) return undefined;
        const { state = "replicate", isAnswering = true, match = LAST_INDEX } = follower;
        return { state, isAnswering, match };
      },
    },
    transferLeader: (to: number) => handedTo.push(to),
  } as unknown as Replica;
  const leadership = new Leadership({
    clock: new SimClock(),
    replicas: () => [replica],
    brokerOf: (_groupId, replicaId) => replicaId,
    isConnected: (broker) => known.get(broker)?.isConnected ?? true,
    isSlow: (broker) => known.get(broker)?.isSlow ?? false,
    isLeaving: (broker) => known.get(broker)?.isLeaving ?? false,
    preferred: () => null,
  });
  return { leadership, replica, handedTo };
}

test.each<{ readonly what: string; readonly follower: Follower }>([
  { what: "is not connected", follower: { isConnected: false } },
  { what: "has a slow disk", follower: { isSlow: true } },
  { what: "is about to stop", follower: { isLeaving: true } },
  { what: "does not vote", follower: { isVoter: false } },
  { what: "was not heard of lately", follower: { isAnswering: false } },
  { what: "has a log that is not known to match", follower: { state: "probe", match: 0 } },
  { what: "is far behind", follower: { match: LAST_INDEX - 65 } },
])(
  "a leadership is not handed to a replica that $what: the leader would take no records while it waits",
  ({ follower }) => {
    const { leadership, replica, handedTo } = leaderOf(follower);
    expect(leadership.handOver(replica, [2])).toBe(false);
    expect(leadership.leave()).toBe(0);
    expect(handedTo).toEqual([]);
  },
);

test("it is handed to the first of those named that can lead, and never to itself", () => {
  const { leadership, replica, handedTo } = leaderOf({ isConnected: false }, {});
  expect(leadership.handOver(replica, [1])).toBe(false);
  expect(leadership.handOver(replica, [1, 2, 3])).toBe(true);
  expect(handedTo).toEqual([3]);
});

test("who leaves hands it to the most complete of those that may take it", () => {
  const { leadership, handedTo } = leaderOf({ match: LAST_INDEX - 2 }, { match: LAST_INDEX - 1 }, {});
  expect(leadership.leave((broker) => broker !== 4)).toBe(1);
  expect(handedTo).toEqual([3]);
});
