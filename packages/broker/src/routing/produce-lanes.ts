/**
 * produce-lanes.ts: the lanes of all client connections: one for each connection and partition with produce calls under way.
 *
 * A lane is made by its first call and forgotten with its last, so that their number needs no bound of its own.
 */
import type { Clock } from "@varve/base";
import { noLeader, shuttingDown } from "../partition/errors.js";
import type { Partition, ProduceResult } from "../partition/partition.js";
import { type LaneCall, ProduceLane } from "./produce-lane.js";
import type { CallContext, LeaderCalls, LeaderNow, Located, Router, TopicRef } from "./router.js";

/** Where a produce call comes from and goes to. */
export interface LaneRef extends TopicRef {
  readonly partition: number;
  /** The client's connection. */
  readonly connection: string;
}

type Calls = LeaderCalls<Partition, ProduceResult>;

export class ProduceLanes {
  private readonly clock: Clock;
  private readonly router: Router;
  private readonly lanes = new Map<string, ProduceLane<LeaderNow, ProduceResult>>();

  constructor(clock: Clock, router: Router) {
    this.clock = clock;
    this.router = router;
  }

  /** Makes the call at the partition's leader, after those that came before it on its connection. @throws VarveError. */
  submit(ref: LaneRef, context: CallContext, calls: Calls): Promise<ProduceResult> {
    const key = `${ref.connection} ${ref.topicId === "" ? ref.topic : ref.topicId}/${ref.partition}`;
    return this.laneOf(key).submit(this.call(ref, context, calls));
  }

  private laneOf(key: string): ProduceLane<LeaderNow, ProduceResult> {
    const known = this.lanes.get(key);
    if (known !== undefined) return known;
    const lane = new ProduceLane<LeaderNow, ProduceResult>(this.clock, () => this.lanes.delete(key));
    this.lanes.set(key, lane);
    return lane;
  }

  private call(ref: LaneRef, context: CallContext, calls: Calls): LaneCall<LeaderNow, ProduceResult> {
    const { clock, router } = this;
    let place: Located | null = router.locateNow(ref, ref.partition);
    const find = async (): Promise<void> => {
      place = await router.locate(ref, ref.partition, context);
    };
    return {
      located: place === null ? find() : null,
      target: () => (place === null ? null : router.leaderNow(place)),
      send: (leader) => router.callLeader(leader, context, calls),
      endOfWait: (waitedMs, nextMs) => {
        const name = { topic: place?.topic.topic ?? ref.topic, partition: ref.partition };
        if (router.isStopping) return shuttingDown(name);
        const isOver = context.signal.aborted || clock.monotonicMs() + nextMs >= context.deadlineAtMs;
        return isOver ? noLeader(name, waitedMs) : null;
      },
    };
  }
}
