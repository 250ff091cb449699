/**
 * story.ts: the events of one run as a timeline for people: what is done to the cluster stands out, and entries that are applied one after
 * another are one line.
 */
import type { TraceEvent } from "./trace.js";

/** Entries of one group that a broker has applied since the story was last interrupted. */
interface Applied {
  readonly atMs: number;
  readonly where: string;
  readonly groupId: number;
  readonly first: number;
  last: number;
}

const WORDS: Readonly<Record<string, (numbers: readonly number[]) => string>> = {
  recovered: ([group, applied, last, term]) =>
    `finds group ${group} on its disk: entries to ${last}, applied to ${applied}, term ${term}`,
  MsgVote: ([group, term, to]) => `asks b${to} for its vote in group ${group}, term ${term}`,
  MsgVoteResp: ([group, term, to, reject]) =>
    `${reject === 1 ? "refuses its vote to" : "votes for"} b${to} in group ${group}, term ${term}`,
  follower: ([group, term]) => `follows in group ${group}, term ${term}`,
  candidate: ([group, term]) => `stands for election in group ${group}, term ${term}`,
  leader: ([group, term]) => `leads group ${group}, term ${term}`,
  acked: (numbers) => `acknowledged: ${pairs(numbers)}`,
};

export class Story {
  private readonly write: (line: string) => void;
  private readonly applied = new Map<string, Applied>();
  /** Last told of each broker and group; a role is told again when it has a leader, or may serve. */
  private readonly roles = new Map<string, string>();

  constructor(write: (line: string) => void) {
    this.write = write;
  }

  /** The next event. */
  tell({ atMs, where, what, numbers }: TraceEvent): void {
    if (what === "apply") {
      this.apply(atMs, where, numbers);
      return;
    }
    const words = WORDS[what]?.(numbers) ?? [what, ...numbers].join(" ").trim();
    if (what === "leader" || what === "follower" || what === "candidate") {
      const key = `${where}/${numbers[0]}`;
      if (this.roles.get(key) === words) return;
      this.roles.set(key, words);
    }
    this.catchUp();
    this.line(atMs, where === "world" ? "-----" : where, words);
  }

  /** Nothing more happens. */
  end(): void {
    this.catchUp();
  }

  private apply(atMs: number, where: string, [groupId = 0, first = 0, count = 0]: readonly number[]): void {
    const key = `${where}/${groupId}`;
    const before = this.applied.get(key);
    if (before === undefined) this.applied.set(key, { atMs, where, groupId, first, last: first + count - 1 });
    else before.last = first + count - 1;
  }

  private catchUp(): void {
    for (const { atMs, where, groupId, first, last } of this.applied.values()) {
      const entries = first === last ? `entry ${first}` : `entries ${first} to ${last}`;
      this.line(atMs, where, `applies ${entries} of group ${groupId}`);
    }
    this.applied.clear();
  }

  private line(atMs: number, where: string, words: string): void {
    this.write(`${atMs.toFixed(1).padStart(9)} ms  ${where.padEnd(6)} ${words}`);
  }
}

/** Partition and offset by turns. */
function pairs(numbers: readonly number[]): string {
  const said: string[] = [];
  for (let at = 0; at + 1 < numbers.length; at += 2) said.push(`partition ${numbers[at]} at ${numbers[at + 1]}`);
  return said.join(", ");
}
