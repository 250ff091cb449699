/** topic.ts: `varve topic create | list | describe | alter | delete`. */
import { LIMITS } from "@varve/base";
import type { TopicDescription } from "@varve/client";
import type { Command } from "commander";
import { UsageError } from "../shell/failure.js";
import { globalOptions } from "../shell/global-options.js";
import { integerIn, numericSetting, settingName } from "../shell/parsers.js";
import { type GlobalOptions, printResult, type Shell, withCluster } from "../shell/shell.js";
import { facts, table } from "../shell/table.js";

interface CreateOptions {
  readonly partitions?: number;
  readonly replicas?: number;
  readonly set?: Readonly<Record<string, number>>;
  readonly ifNotExists: boolean;
}

interface AlterOptions {
  readonly partitions?: number;
  readonly set?: Readonly<Record<string, number>>;
  readonly unset?: readonly string[];
}

const SETTINGS = `
Settings of a topic: retentionMs, retentionBytes, segmentBytes, segmentMs, batchBytesMax; -1 = unlimited for the first two.
`;

export function registerTopic(parent: Command, shell: Shell): void {
  const topic = parent.command("topic").summary("create, show and change topics").description("Topics.");
  registerCreate(topic, shell);
  registerList(topic, shell);
  registerDescribe(topic, shell);
  registerAlter(topic, shell);
  registerDelete(topic, shell);
}

function registerCreate(topic: Command, shell: Shell): void {
  topic
    .command("create")
    .description("Creates a topic.")
    .argument("<name>", "1 to 249 of A-Z a-z 0-9 . _ -; names that begin with __ are reserved")
    .option("--partitions <count>", "number of partitions (default: 6)", integerIn(1, LIMITS.partitionsPerTopicMax))
    .option(
      "--replicas <count>",
      "copies of each partition (default: 3, or the number of brokers if smaller)",
      integerIn(1, LIMITS.replicasMax),
    )
    .option("--set <setting=value>", "a setting of the topic; may be repeated", numericSetting)
    .option("--if-not-exists", "succeed if a topic of this name exists, whatever its settings", false)
    .addHelpText(
      "after",
      `${SETTINGS}
Examples:
  varve topic create orders
  varve topic create orders --partitions 12 --replicas 3 --set retentionMs=86400000 --set segmentBytes=16777216
`,
    )
    .action((name: string, options: CreateOptions, command: Command) =>
      create(shell, name, options, globalOptions(command, shell.env)),
    );
}

async function create(shell: Shell, topic: string, options: CreateOptions, global: GlobalOptions): Promise<void> {
  const { partitions, replicas, set, ifNotExists } = options;
  const created = await withCluster(shell, global, ({ admin }) =>
    admin.createTopic({ topic, ifNotExists, partitions, replicas, config: set }),
  );
  printResult(shell, global.json, created, () => {
    const found = created.created ? "" : " exists";
    return `topic ${topic}${found}: ${created.partitions} partitions, ${created.replicas} replicas, id ${created.topicId}\n`;
  });
}

function registerList(topic: Command, shell: Shell): void {
  topic
    .command("list")
    .description("Lists all topics.")
    .addHelpText("after", "\nExamples:\n  varve topic list\n  varve topic list --json\n")
    .action(async (_: object, command: Command) => {
      const global = globalOptions(command, shell.env);
      const topics = await withCluster(shell, global, ({ admin }) => admin.listTopics());
      printResult(shell, global.json, topics, () =>
        table(
          ["topic", "partitions", "replicas", "id"],
          topics.map(({ topic: name, partitions, replicas, topicId }) => [name, partitions, replicas, topicId]),
        ),
      );
    });
}

function registerDescribe(topic: Command, shell: Shell): void {
  topic
    .command("describe")
    .description(
      "Shows a topic's settings and, for each partition, leader, epoch, replicas, log start and high watermark.",
    )
    .argument("<name>")
    .addHelpText("after", "\nExamples:\n  varve topic describe orders\n  varve topic describe orders --json\n")
    .action(async (name: string, _: object, command: Command) => {
      const global = globalOptions(command, shell.env);
      const description = await withCluster(shell, global, ({ admin }) => admin.describeTopic(name));
      printResult(shell, global.json, description, () => describeForPeople(description));
    });
}

function describeForPeople(description: TopicDescription): string {
  const { topic, topicId, config, partitions } = description;
  const settings = Object.entries(config).map(([key, value]) => `${key}=${value}`);
  return [
    facts([
      ["topic", topic],
      ["id", topicId],
      ["settings", settings.join(" ")],
    ]),
    table(
      ["partition", "leader", "epoch", "replicas", "voters", "log start", "high watermark"],
      partitions.map((row) => [
        row.partition,
        row.leader,
        row.epoch,
        row.replicas.join(","),
        row.voters.join(","),
        row.logStart,
        row.highWatermark,
      ]),
    ),
  ].join("");
}

function registerAlter(topic: Command, shell: Shell): void {
  topic
    .command("alter")
    .description("Changes a topic's settings, or adds partitions.")
    .argument("<name>")
    .option("--set <setting=value>", "gives a setting a value; may be repeated", numericSetting)
    .option("--unset <setting>", "brings a setting back to its default; may be repeated", settingName)
    .option(
      "--partitions <count>",
      "new number of partitions, more than now",
      integerIn(1, LIMITS.partitionsPerTopicMax),
    )
    .addHelpText(
      "after",
      `${SETTINGS}Added partitions take over parts of the key space: new records of some keys go to other partitions than their old ones.

Examples:
  varve topic alter orders --set retentionMs=3600000
  varve topic alter orders --unset retentionMs
  varve topic alter orders --partitions 12
`,
    )
    .action((name: string, options: AlterOptions, command: Command) =>
      alter(shell, name, options, globalOptions(command, shell.env)),
    );
}

async function alter(shell: Shell, topic: string, options: AlterOptions, global: GlobalOptions): Promise<void> {
  const { partitions, set = {}, unset = [] } = options;
  const config = { ...set, ...Object.fromEntries(unset.map((key) => [key, null])) };
  const changesConfig = Object.keys(config).length > 0;
  if (!changesConfig && partitions === undefined)
    throw new UsageError("nothing to change: give --set, --unset or --partitions");
  const both = unset.find((key) => Object.hasOwn(set, key));
  if (both !== undefined) throw new UsageError(`${both} is both set and unset`);
  const description = await withCluster(shell, global, async ({ admin }) => {
    if (changesConfig) await admin.alterTopic({ topic, config });
    if (partitions !== undefined) await admin.addPartitions({ topic, partitions });
    return admin.describeTopic(topic);
  });
  printResult(shell, global.json, description, () => describeForPeople(description));
}

function registerDelete(topic: Command, shell: Shell): void {
  topic
    .command("delete")
    .description("Deletes a topic and all its records, at once and for good.")
    .argument("<name>")
    .addHelpText("after", "\nExample:\n  varve topic delete orders\n")
    .action(async (name: string, _: object, command: Command) => {
      const global = globalOptions(command, shell.env);
      await withCluster(shell, global, ({ admin }) => admin.deleteTopic(name));
      printResult(shell, global.json, { topic: name, deleted: true }, () => `topic ${name} is deleted\n`);
    });
}
