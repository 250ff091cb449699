/**
 * group-observer.ts: what the checks of groups see of a client: its commits, and what it is assigned.
 */
import type { Checks } from "./checks.js";
import type { CallObserver } from "./client-process.js";
import type { GroupTruth } from "./group-truth.js";
import type { Trace } from "./trace.js";

interface CommitRequest {
  readonly memberId: string;
  readonly offsets: readonly {
    readonly partition: number;
    readonly offset: number;
    readonly assignmentEpoch: number;
  }[];
}

interface SessionNews {
  readonly memberId: string;
  readonly assigned: readonly { readonly partition: number; readonly assignmentEpoch: number }[];
}

export function groupObserver(truth: GroupTruth, checks: Checks, trace: Trace): CallObserver {
  return {
    unary: (method, request) => {
      if (method !== "CommitOffsets") return null;
      const { memberId, offsets } = request as CommitRequest;
      const fenced = offsets.filter(({ partition, assignmentEpoch }) => truth.isFenced(partition, assignmentEpoch));
      const { since } = truth.mark();
      checks.note(() => {
        for (const { partition, offset } of offsets) truth.onCommit(partition, offset);
      });
      return (answer) => {
        if (answer === null) return;
        checks.note(() => {
          for (const { partition, assignmentEpoch } of fenced)
            truth.onFencedCommit(memberId, partition, assignmentEpoch);
        });
        trace.note("commit", "acked", ...offsets.flatMap(({ partition, offset }) => [partition, offset]));
        for (const { partition, offset } of offsets) truth.onCommitAcked(partition, offset, since);
      };
    },
    received: (method, message) => {
      if (method !== "Session") return;
      const { memberId, assigned } = message as SessionNews;
      checks.note(() => {
        for (const { partition, assignmentEpoch } of assigned) truth.onAssigned(memberId, partition, assignmentEpoch);
      });
    },
  };
}
