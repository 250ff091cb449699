/** group.ts: `varve group list | describe | seek | delete`. */
import { isVarveError, LIMITS, VarveError } from "@varve/base";
import type { SeekGroupResult } from "@varve/client";
import type { Command } from "commander";
import type { StartPosition } from "../input/position.js";
import { globalOptions } from "../shell/global-options.js";
import { integerIn, startPosition } from "../shell/parsers.js";
import { type GlobalOptions, printResult, type Shell, withCluster } from "../shell/shell.js";
import { table } from "../shell/table.js";
import { describeGroupForPeople, withLag } from "./group-description.js";

interface SeekOptions {
  readonly topic: string;
  readonly to: StartPosition;
  readonly partition?: number;
}

export function registerGroup(parent: Command, shell: Shell): void {
  const group = parent
    .command("group")
    .summary("show, move and delete consumer groups")
    .description("Consumer groups: who works on what, how far, and where to go on.");
  registerList(group, shell);
  registerDescribe(group, shell);
  registerSeek(group, shell);
  registerDelete(group, shell);
}

function registerList(group: Command, shell: Shell): void {
  group
    .command("list")
    .description("Lists all groups with their state and number of members.")
    .addHelpText("after", "\nExamples:\n  varve group list\n  varve group list --json\n")
    .action(async (_: object, command: Command) => {
      const global = globalOptions(command, shell.env);
      const groups = await withCluster(shell, global, ({ admin }) => admin.listGroups());
      printResult(shell, global.json, groups, () =>
        table(
          ["group", "state", "members"],
          groups.map(({ group: name, state, members }) => [name, state, members]),
        ),
      );
    });
}

const DESCRIBE_HELP = `
States:
  stable        every partition is where it belongs
  reconciling   a member still finishes its work on a partition that another one is to get
  assigning     a free partition has not reached its new member yet
  empty         no members; the committed offsets stay

COMMITTED is the offset of the next record to work on. LAG RECORDS counts from there to the high watermark. LAG SECONDS is the age of that
next record, since the broker appended it: 0.0 when none waits. "-": not known now, or nothing committed. The last row has the sum of the
records and the longest time. --json has lagMs, in milliseconds, and under "total" also how many partitions' lag is not known.

Examples:
  varve group describe billing
  varve group describe billing --json | jq .total.lagRecords
`;

function registerDescribe(group: Command, shell: Shell): void {
  group
    .command("describe")
    .description("Shows a group's state, its members and what they work on, and the lag of each partition.")
    .argument("<group>")
    .addHelpText("after", DESCRIBE_HELP)
    .action(async (name: string, _: object, command: Command) => {
      const global = globalOptions(command, shell.env);
      const description = withLag(await withCluster(shell, global, ({ admin }) => admin.describeGroup(name)));
      printResult(shell, global.json, description, () => describeGroupForPeople(description));
    });
}

const SEEK_HELP = `
Works while the group runs: its members finish the record that they have in hand, which no longer counts, and go on at the new place
within 2 s. Nothing has to be stopped or restarted. Prints the offset at which each partition goes on.
  --to earliest | latest | OFFSET | TIME     OFFSET without --partition: in every partition
A TIME is ISO 8601 with Z or an offset: the first record that the broker appended then or later, or the end when there is none.

Examples:
  varve group seek billing --topic orders --to earliest
  varve group seek billing --topic orders --to 2026-05-17T10:00:00Z
  varve group seek billing --topic orders --partition 2 --to 100
`;

function registerSeek(group: Command, shell: Shell): void {
  group
    .command("seek")
    .description("Moves a group to another place in a topic, also while its members work.")
    .argument("<group>")
    .requiredOption("--topic <topic>", "the topic in which it moves")
    .requiredOption("--to <position>", "where it goes on: earliest, latest, an offset or a time", startPosition)
    .option(
      "--partition <number>",
      "only this partition (default: all of the topic)",
      integerIn(0, LIMITS.partitionsPerTopicMax - 1),
    )
    .addHelpText("after", SEEK_HELP)
    .action(async (name: string, options: SeekOptions, command: Command) => {
      const global = globalOptions(command, shell.env);
      const { offsets } = await seek(shell, name, options, global);
      const result = { group: name, topic: options.topic, offsets };
      printResult(shell, global.json, result, () =>
        table(
          ["topic", "partition", "goes on at"],
          offsets.map(({ partition, offset }) => [options.topic, partition, offset]),
        ),
      );
    });
}

function seek(
  shell: Shell,
  group: string,
  { topic, to, partition }: SeekOptions,
  global: GlobalOptions,
): Promise<SeekGroupResult> {
  return withCluster(shell, global, ({ admin }) => admin.seekGroup({ group, topic, to, partition }));
}

function registerDelete(group: Command, shell: Shell): void {
  group
    .command("delete")
    .description("Forgets a group and its committed offsets, for good. Refused while it has members.")
    .argument("<group>")
    .addHelpText("after", "\nExample:\n  varve group delete billing\n")
    .action(async (name: string, _: object, command: Command) => {
      const global = globalOptions(command, shell.env);
      await withCluster(shell, global, ({ admin }) => admin.deleteGroup(name)).catch((error: unknown) => {
        throw withAdvice(error, name);
      });
      printResult(shell, global.json, { group: name, deleted: true }, () => `group ${name} is deleted\n`);
    });
}

function withAdvice(error: unknown, group: string): unknown {
  if (!isVarveError(error) || error.code !== "GROUP_NOT_EMPTY") return error;
  const { code, effect, retryable, details } = error;
  const message = `group ${group} still has members, and was not deleted: stop them first (varve group describe ${group} lists them), or move the running group with varve group seek`;
  return new VarveError(code, { message, effect, retryable, details, cause: error });
}
