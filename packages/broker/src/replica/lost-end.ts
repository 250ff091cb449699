/**
 * lost-end.ts: whether a log has lost its end in a way that its own files do not show. Pure.
 *
 * A leader's heartbeat names no index that the replica has not acknowledged to it, and within a term nothing acknowledged is replaced. So a log that
 * ends before has lost something, and must not be counted on: what it lacks may be committed.
 */
import type { RaftIndex, Term } from "@varve/base";
import type { Message } from "raft-ts";

/** What is wrong, in words, with a replica in `term` whose log ends at `lastIndex`; null: this message proves nothing. */
export function lostEnd(
  { type, term: leaderTerm, from, commit }: Pick<Message, "type" | "term" | "from" | "commit">,
  term: Term,
  lastIndex: RaftIndex,
): string | null {
  if (type !== "MsgHeartbeat" || leaderTerm < term || commit <= lastIndex) return null;
  return `the log ends at entry ${lastIndex}, but its leader (replica ${from}, term ${leaderTerm}) knows that entries up to ${commit} were acknowledged here: the end of the WAL is gone`;
}
