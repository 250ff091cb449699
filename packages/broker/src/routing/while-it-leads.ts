/**
 * while-it-leads.ts: a call to a broker that leads a group, ended as soon as another is known to lead it: one that is frozen or cut off never
 * answers, and its link is taken for dead only seconds later.
 */
import { type GroupId, onAbort } from "@varve/base";
import type { LeaderEntry, LeaderTable } from "./leader-table.js";

/** The call was ended: `newer` leads. What it asked for may have been done. */
export class LeaderReplaced extends Error {
  override readonly name = "LeaderReplaced";
  readonly newer: LeaderEntry;

  constructor(newer: LeaderEntry) {
    super(`broker ${newer.broker} leads in term ${newer.term}`);
    this.newer = newer;
  }
}

/** Begins `call` before it returns. @throws LeaderReplaced, or what the call throws. */
export async function whileItLeads<T>(
  leaders: Pick<LeaderTable, "watch">,
  groupId: GroupId,
  leader: LeaderEntry,
  signal: AbortSignal,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  const unlisten = onAbort(signal, () => over.abort(signal.reason));
  if (signal.aborted) over.abort(signal.reason);
  const unwatch = leaders.watch(groupId, (newer) => {
    if (newer.term > leader.term && newer.broker !== leader.broker) over.abort(new LeaderReplaced(newer));
  });
  try {
    return await call(over.signal);
  } catch (error) {
    throw over.signal.reason instanceof LeaderReplaced ? over.signal.reason : error;
  } finally {
    unlisten();
    unwatch();
  }
}
