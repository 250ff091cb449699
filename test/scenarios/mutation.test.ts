/**
 * mutation.test.ts: the comparison of scenario files notices when their expectations are altered.
 *
 * Every number and every word of state of the compared text is altered, one at a time. Needs the published files: their
 * folder is RAFT_TESTDATA.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { compareStep, FOLDERS, type Folder, replay, type Step } from "./replay.js";

const root = process.env["RAFT_TESTDATA"] ?? "";
const hasFiles = root !== "" && existsSync(root);
const LOG_TEXT = /^\s*(DEBUG|INFO|WARN|ERROR|FATAL) /;

/** Words that name a state, a kind or a decision. What each becomes is a word of the same kind. */
const WORDS: Readonly<Record<string, string>> = {
  StateProbe: "StateReplicate",
  StateReplicate: "StateProbe",
  StateSnapshot: "StateProbe",
  StateFollower: "StateLeader",
  StateLeader: "StateFollower",
  StateCandidate: "StatePreCandidate",
  StatePreCandidate: "StateCandidate",
  EntryNormal: "EntryConfChange",
  EntryConfChange: "EntryNormal",
  EntryConfChangeV2: "EntryConfChange",
  MsgApp: "MsgAppResp",
  MsgAppResp: "MsgApp",
  MsgVote: "MsgPreVote",
  MsgVoteResp: "MsgPreVoteResp",
  MsgPreVote: "MsgVote",
  MsgPreVoteResp: "MsgVoteResp",
  MsgHeartbeat: "MsgHeartbeatResp",
  MsgHeartbeatResp: "MsgHeartbeat",
  MsgSnap: "MsgApp",
  MsgStorageAppend: "MsgStorageApply",
  MsgStorageAppendResp: "MsgStorageApplyResp",
  MsgStorageApply: "MsgStorageAppend",
  MsgStorageApplyResp: "MsgStorageAppendResp",
  AppendThread: "ApplyThread",
  ApplyThread: "AppendThread",
  Entries: "CommittedEntries",
  CommittedEntries: "Entries",
  true: "false",
  false: "true",
  paused: "inactive",
  inactive: "paused",
  learner: "paused",
  Voter: "Non-Voter",
  VoteWon: "VoteLost",
  VoteLost: "VotePending",
  VotePending: "VoteWon",
  Processing: "Responses",
  Responses: "Processing",
};
const TARGET = new RegExp(`\\d+|\\b(?:${Object.keys(WORDS).join("|")})\\b`, "g");

/** All versions of `text` with one number or word altered; log text stays as it is. */
function* alterations(text: string): Generator<string> {
  const lines = text.split("\n");
  for (const [at, line] of lines.entries()) {
    if (LOG_TEXT.test(line)) continue;
    for (const match of line.matchAll(TARGET)) {
      const altered = WORDS[match[0]] ?? String(Number(match[0]) + 1);
      const changed = line.slice(0, match.index) + altered + line.slice(match.index + match[0].length);
      yield [...lines.slice(0, at), changed, ...lines.slice(at + 1)].join("\n");
    }
  }
}

function filesOf(folder: Folder): string[] {
  const path = join(root, folder);
  return existsSync(path) ? readdirSync(path).filter((file) => file.endsWith(".txt")) : [];
}

function stepsOf(folder: Folder): Step[] {
  return filesOf(folder).flatMap((file) => [...replay(folder, readFileSync(join(root, folder, file), "utf8"))]);
}

test.skipIf(!hasFiles).each(FOLDERS)("the published %s files are equal in every field (RAFT_TESTDATA)", (folder) => {
  const different = stepsOf(folder).filter((step) => compareStep(folder, step.expected, step.actual).differing > 0);
  expect(different).toEqual([]);
});

test.skipIf(!hasFiles).each(FOLDERS)("19 of 20 alterations of %s files are noticed (RAFT_TESTDATA)", (folder) => {
  let altered = 0;
  const missed: string[] = [];
  for (const step of stepsOf(folder)) {
    for (const expected of alterations(step.expected)) {
      altered++;
      if (compareStep(folder, expected, step.actual).differing === 0) missed.push(`${step.line}: ${expected}`);
    }
  }
  expect(altered).toBeGreaterThan(10);
  expect(missed.length / altered, missed.slice(0, 3).join("\n")).toBeLessThanOrEqual(0.05);
});
