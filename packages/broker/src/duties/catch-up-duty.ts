/**
 * catch-up-duty.ts: asks the leaders of the groups here, after a start, until every replica of this broker has caught up once.
 *
 * It asks soon at first, and less and less often while nothing changes: thousands of replicas may take hours on a new disk.
 */
import { type Clock, delay, type GroupId } from "@varve/base";
import type { Replica } from "../replica/replica.js";
import { CatchUp, type ReplicaHere } from "./catch-up.js";
import { type BrokerStatus, newestStatuses } from "./status.js";

export interface CatchUpDutyOptions {
  readonly clock: Clock;
  readonly replicas: () => Iterable<Replica>;
  /** Replicas that should run here and do not: not made yet, or quarantined. */
  readonly missing: () => number;
  /** Status of groups from whoever leads them, this broker included. */
  readonly gather: (groupIds: readonly GroupId[], timeoutMs: number) => Promise<readonly BrokerStatus[]>;
}

/** First and longest wait between two looks, and its growth while nothing changes. */
const LOOK_FIRST_MS = 20;
const LOOK_MAX_MS = 1_000;
const GROWTH = 1.5;
const ANSWER_MS = 2_000;

export class CatchUpDuty {
  private readonly options: CatchUpDutyOptions;
  private readonly catchUp = new CatchUp();

  constructor(options: CatchUpDutyOptions) {
    this.options = options;
  }

  get isOver(): boolean {
    return this.catchUp.isOver;
  }

  /** Replicas here that have not caught up yet; null: not looked yet. */
  get behind(): number | null {
    return this.catchUp.behind;
  }

  /** Resolves when every replica has caught up, or with `signal`. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, missing, gather } = this.options;
    let waitMs = LOOK_FIRST_MS;
    for (let before: number | null = null; !signal.aborted; ) {
      const ask = this.catchUp.look(this.here().values(), missing());
      if (this.catchUp.isOver) return;
      if (ask.length > 0) {
        const answers = newestStatuses(await gather(ask, ANSWER_MS));
        this.catchUp.heard(this.here(), answers.values());
        this.catchUp.look(this.here().values(), missing());
        if (this.catchUp.isOver) return;
      }
      const { behind } = this.catchUp;
      waitMs = behind === before ? Math.min(LOOK_MAX_MS, waitMs * GROWTH) : LOOK_FIRST_MS;
      before = behind;
      await delay(clock, waitMs, signal).catch(() => {});
    }
  }

  private here(): Map<GroupId, ReplicaHere> {
    const here = new Map<GroupId, ReplicaHere>();
    for (const replica of this.options.replicas()) {
      here.set(replica.groupId, {
        groupId: replica.groupId,
        replicaId: replica.id,
        isServing: replica.isReadyLeader(),
        term: replica.node.term,
        appliedIndex: replica.log.pointers().appliedIndex,
      });
    }
    return here;
  }
}
