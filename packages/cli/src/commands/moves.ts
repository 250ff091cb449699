/**
 * moves.ts: waits until moves of replicas are done and says on stderr how far they are: a line that rewrites itself for people, one line per
 * change of it for logs.
 */
import { isVarveError } from "@varve/base";
import type { PartitionMove } from "@varve/client";
import { type ClusterClient, note, type Shell, stopReason } from "../shell/shell.js";

const LOOK_MS = 500;

/** How much is left to do, in words; null: nothing. */
export type Remaining = (client: ClusterClient) => Promise<string | null>;

/** Looks until nothing is left. The moves go on by themselves when this is interrupted. */
export async function waitForMoves(shell: Shell, json: boolean, client: ClusterClient, left: Remaining): Promise<void> {
  let said = "";
  for (;;) {
    const text = await left(client).catch((error: unknown) => {
      if (isVarveError(error) && error.retryable) return `no answer just now: ${error.code}`;
      throw error;
    });
    if (text === null) return;
    if (text !== said) note(shell, json, text);
    said = text;
    if (stopReason(shell) !== null) {
      note(shell, json, "the rest goes on in the cluster; the same command shows it again");
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** What is left of these moves, in words. */
export function describeMoves(moves: readonly PartitionMove[]): string {
  const behind = moves.reduce((sum, { entriesBehind }) => sum + (entriesBehind ?? 0), 0);
  const joining = moves.filter((move) => move.joining.length > 0).length;
  const copying = joining === 0 ? "" : `, ${joining} still copy their log: ${behind} entries to go`;
  return `${moves.length} ${moves.length === 1 ? "partition moves" : "partitions move"}${copying}`;
}
