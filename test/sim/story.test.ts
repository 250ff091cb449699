/** story.test.ts: what people read of a run. */
import { expect, test } from "vitest";
import { Story } from "./story.js";

test("entries applied one after another are one line, told before what interrupts them; a role once", () => {
  const lines: string[] = [];
  const story = new Story((line) => lines.push(line));
  story.tell({ atMs: 1, where: "b1", what: "apply", numbers: [2, 5, 1, 1] });
  story.tell({ atMs: 2, where: "b2", what: "apply", numbers: [2, 5, 1, 1] });
  story.tell({ atMs: 3, where: "b1", what: "apply", numbers: [2, 6, 3, 1] });
  story.tell({ atMs: 4, where: "world", what: "kill b1", numbers: [] });
  story.tell({ atMs: 5, where: "b2", what: "MsgVote", numbers: [2, 7, 3, 0] });
  story.tell({ atMs: 6, where: "b3", what: "MsgVoteResp", numbers: [2, 7, 2, 1] });
  story.tell({ atMs: 6, where: "b3", what: "follower", numbers: [2, 7] });
  story.tell({ atMs: 7, where: "b3", what: "follower", numbers: [2, 7] });
  story.tell({ atMs: 7, where: "b2", what: "apply", numbers: [2, 6, 1, 7] });
  story.end();
  expect(lines.map((line) => line.replace(/ +/g, " ").trim())).toEqual([
    "1.0 ms b1 applies entries 5 to 8 of group 2",
    "2.0 ms b2 applies entry 5 of group 2",
    "4.0 ms ----- kill b1",
    "5.0 ms b2 asks b3 for its vote in group 2, term 7",
    "6.0 ms b3 refuses its vote to b2 in group 2, term 7",
    "6.0 ms b3 follows in group 2, term 7",
    "7.0 ms b2 applies entry 6 of group 2",
  ]);
});
