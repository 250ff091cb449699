/** readme.test.ts: holds the examples of README.md to the code: the picture's steps, the command, the entries, the section, the limits. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { decodeCommand, encodeCommand } from "./command-codec.js";
import type { GroupCommand, OffsetCommit } from "./commands.js";
import { GROUP_LIMITS } from "./limits.js";
import { expectValue, type HeartbeatAnswer } from "./result.js";
import { GroupsState } from "./state.js";
import { heartbeat, proposed } from "./testing/commands.js";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const [commandExample, entriesExample] = [...readme.matchAll(/```json\n([\s\S]*?)```/g)].map(([, json = ""]) =>
  JSON.parse(json),
);

const topicId = "6b0f3c52-4a0e-4d57-9c3a-0d9b6f0a1e11";
const nowMs = 1_700_000_000_000;
const given = (partition: number, epoch: number, startOffset: number | null) => ({
  partition,
  epoch,
  startOffset,
  startFrom: "earliest",
});

/** The picture, step by step; what each member is told stands in the assertions. */
class Story {
  readonly state = GroupsState.empty(GROUP_LIMITS);
  private index = 0;

  apply(command: GroupCommand) {
    this.index += 1;
    return this.state.apply(decodeCommand(encodeCommand(command)), this.index);
  }

  beat(memberId: string, memberEpoch: number, partitions: readonly number[] | null): HeartbeatAnswer {
    return expectValue(this.apply(beatCommand(memberId, memberEpoch, partitions)), "heartbeat");
  }

  commit(offset: number) {
    const commit: OffsetCommit = { topicId, partition: 1, assignmentEpoch: 1, offset, leaderEpoch: 3, metadata: "" };
    return this.apply({ kind: "commit", group: "billing", memberId: "a", memberEpoch: 3, offsets: [commit], nowMs });
  }
}

function beatCommand(memberId: string, memberEpoch: number, partitions: readonly number[] | null): GroupCommand {
  const owned = partitions === null ? null : partitions.length === 0 ? [] : [{ topicId, partitions }];
  const request = heartbeat(memberId, { memberEpoch, clientId: "", host: "", topics: ["orders"], owned });
  return proposed(request, [{ topic: "orders", topicId, partitions: 2 }], 7, nowMs);
}

function told(answer: HeartbeatAnswer) {
  return { epoch: answer.memberEpoch, orders: answer.assignment?.flatMap(({ partitions }) => partitions) };
}

test("the picture of a partition that moves is what happens, and so are the stored examples", () => {
  const story = new Story();
  expect(told(story.beat("a", 0, null))).toEqual({ epoch: 1, orders: [given(0, 1, null), given(1, 1, null)] });
  expect(told(story.beat("b", 0, null))).toEqual({ epoch: 2, orders: [] });
  expect(told(story.beat("a", 1, [0, 1]))).toEqual({ epoch: 3, orders: [given(0, 1, null)] });
  expect(story.commit(42)).toMatchObject({ ok: true });
  expect(told(story.beat("a", 3, [0]))).toEqual({ epoch: 3, orders: [given(0, 1, null)] });
  expect(told(story.beat("b", 2, []))).toEqual({ epoch: 4, orders: [given(1, 4, 42)] });
  expect(story.commit(43)).toMatchObject({ ok: false, code: "STALE_ASSIGNMENT" });

  const stored = story.state.entries().map(([key, value]) => [key, JSON.parse(new TextDecoder().decode(value))]);
  const { "m/billing/a": _a, ...entries } = Object.fromEntries(stored);
  expect(entriesExample).toEqual(entries);

  const block = /```\n(56 47[\s\S]*?)```/.exec(readme)?.[1] ?? "";
  const shown = [...block.matchAll(/^((?:[0-9a-f]{2} )*[0-9a-f]{2}) {3}/gm)].flatMap(([, hex = ""]) => hex.split(" "));
  expect(shown.map((hex) => Number.parseInt(hex, 16))).toEqual([...story.state.encode().subarray(0, 12 + 4 + 9 + 4)]);
});

test("the example of a command is one", () => {
  expect(commandExample.command).toEqual(beatCommand("a", 0, null));
  expect(JSON.parse(new TextDecoder().decode(encodeCommand(commandExample.command)))).toEqual(commandExample);
});

test("the limits are those of the code", () => {
  const { groupsMax, membersPerGroupMax, metadataBytesMax, offsetsPerGroupMax, topicsPerMemberMax } = GROUP_LIMITS;
  const rows = /^\| (groups of|members of a group|committed|topics of|client id)[^|]*\| ([\d,]+)/gm;
  const listed = [...readme.matchAll(rows)].map(([, name = "", value = ""]) => [
    name,
    Number(value.replaceAll(",", "")),
  ]);
  const byName = Object.fromEntries(listed);
  expect(byName).toEqual({
    "groups of": groupsMax,
    "members of a group": membersPerGroupMax,
    committed: offsetsPerGroupMax,
    "topics of": topicsPerMemberMax,
    "client id": metadataBytesMax,
  });
});
