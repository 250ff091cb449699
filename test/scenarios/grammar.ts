/**
 * grammar.ts: takes the text of an output apart, line by line, into named fields.
 *
 * Invariants:
 *   G1  every line is log text, or has exactly one kind, or is reported as unparsed: nothing is passed over silently
 *   G2  every number and every word of state of a line is part of one of its fields
 */

/** A line: what kind it is, and its fields in order. */
export interface ParsedLine {
  readonly kind: string;
  readonly fields: readonly (readonly [name: string, value: string])[];
}

/** The lines of an output. */
export interface ParsedOutput {
  readonly lines: readonly ParsedLine[];
  readonly unparsed: readonly string[];
}

const LOG_TEXT = /^(DEBUG|INFO|WARN|ERROR|FATAL) /;
const ENTRY = String.raw`(?<term>\d+)/(?<index>\d+) (?<type>Entry\w+)(?: (?<data>.*))?`;
const CONF_STATE =
  String.raw`Voters:\[(?<voters>[\d ]*)\] VotersOutgoing:\[(?<outgoing>[\d ]*)\] Learners:\[(?<learners>[\d ]*)\] ` +
  String.raw`LearnersNext:\[(?<learnersNext>[\d ]*)\] AutoLeave:(?<autoLeave>true|false)`;
const STATE = "State(?:Follower|PreCandidate|Candidate|Leader)";

/** Kinds of lines. Fields are the named groups. Order matters only where one pattern includes another. */
const KINDS: readonly (readonly [kind: string, pattern: RegExp])[] = [
  ["phase", /^> (?<node>\d+) (?<phase>handling Ready|receiving messages|processing (?:append|apply) thread)$/],
  ["ready", /^Ready MustSync=(?<mustSync>true|false):$/],
  ["emptyReady", /^<empty Ready>$/],
  ["softState", new RegExp(`^Lead:(?<leader>\\d+) State:(?<state>${STATE})$`)],
  ["hardState", /^HardState Term:(?<term>\d+)(?: Vote:(?<vote>\d+))? Commit:(?<commit>\d+)$/],
  ["readStates", /^ReadStates \[(?<reads>.*)\]$/],
  ["section", /^(?<section>Entries|CommittedEntries|Messages|Processing|Responses):$/],
  ["snapshot", new RegExp(`^Snapshot:? Index:(?<index>\\d+) Term:(?<term>\\d+) ConfState:${CONF_STATE}$`)],
  ["entry", new RegExp(`^${ENTRY}$`)],
  [
    "message",
    new RegExp(
      String.raw`^(?<dropped>dropped: )?(?<from>\w+)->(?<to>\w+) (?<message>Msg\w+) Term:(?<messageTerm>\d+) ` +
        String.raw`Log:(?<logTerm>\d+)/(?<logIndex>\d+)(?: (?<rejected>Rejected) \(Hint: (?<hint>\d+)\))?` +
        String.raw`(?: Commit:(?<commit>\d+))?(?: Vote:(?<vote>\d+))?` +
        String.raw`(?:(?<entryList> Entries:\[)(?:${ENTRY}\])?)?(?<responses> Responses:\[)?$`,
    ),
  ],
  ["end", /^\](?<responses> Responses:\[)?$/],
  [
    "progress",
    new RegExp(
      String.raw`^(?<node>\d+): (?<state>State(?:Probe|Replicate|Snapshot)) match=(?<match>\d+) next=(?<next>\d+)` +
        String.raw`(?<learner> learner)?(?<paused> paused)?(?: pendingSnap=(?<pendingSnapshot>\d+))?` +
        String.raw`(?<inactive> inactive)?(?: inflight=(?<inflight>\d+)(?<full>\[full\])?)?$`,
    ),
  ],
  [
    "raftState",
    new RegExp(
      `^(?<node>\\d+): (?<state>${STATE}) \\((?<voter>Voter|Non-Voter)\\) Term:(?<term>\\d+) Lead:(?<leader>\\d+)$`,
    ),
  ],
  ["emptyLog", /^log is empty: first index=(?<first>\d+), last index=(?<last>\d+)$/],
  ["nothing", /^(?<what>no messages|no append work to perform|no apply work to perform)$/],
  [
    "error",
    /^(?<error>raft: cannot step as peer not found|raft: cannot step raft local message|raft proposal dropped)$/,
  ],
  ["error", /^(?<error>requested index is unavailable due to compaction)$/],
  ["error", /^(?<error>index must be specified as > 1 due to bootstrap)$/],
  ["error", /^(?<error>v1 conf change can only have one operation and no transition)$/],
];

/** The fields of an output. "ok", which stands for an output without content, has none. */
export function parseOutput(text: string): ParsedOutput {
  const lines: ParsedLine[] = [];
  const unparsed: string[] = [];
  const content = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !LOG_TEXT.test(line));
  if (content.length === 1 && content[0] === "ok") return { lines, unparsed };
  for (const line of content) {
    const parsed = parseLine(line);
    if (parsed === null) unparsed.push(line);
    else lines.push(parsed);
  }
  return { lines, unparsed };
}

function parseLine(line: string): ParsedLine | null {
  for (const [kind, pattern] of KINDS) {
    const match = pattern.exec(line);
    if (match === null) continue;
    const fields = Object.entries(match.groups ?? {}).map(([name, value]) => [name, value ?? ""] as const);
    return { kind, fields };
  }
  return null;
}
