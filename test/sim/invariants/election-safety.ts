/**
 * election-safety.ts: at most one leader per group and term.
 *
 * Source: Raft paper, figure 3, "Election Safety".
 */
import { hold } from "../violation.js";

export class ElectionSafety {
  private readonly leaders = new Map<string, number>();

  /** A replica shows itself as leader. */
  onLeader(groupId: number, term: number, replicaId: number): void {
    const key = `${groupId}/${term}`;
    const first = this.leaders.get(key) ?? replicaId;
    hold("election-safety", first === replicaId, () => `group ${groupId} term ${term}: ${first} and ${replicaId} lead`);
    this.leaders.set(key, replicaId);
  }
}
