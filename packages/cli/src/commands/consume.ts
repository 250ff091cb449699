/** consume.ts: `varve consume`: records of a topic, from a point, to a point or for ever. */
import { LIMITS, NUMBER_MAX } from "@varve/base";
import { type Command, Option } from "commander";
import { type EndPosition, isOffset, type StartPosition } from "../input/position.js";
import { type RecordFormat, recordLine } from "../input/record-line.js";
import { globalOptions } from "../shell/global-options.js";
import { endPosition, integerIn, startPosition } from "../shell/parsers.js";
import { Progress } from "../shell/progress.js";
import { type ClusterClient, type Shell, withCluster } from "../shell/shell.js";
import { count } from "../shell/style.js";
import { consumeAsMember, refuseRange } from "./consume-group.js";
import { onePartition } from "./one-partition.js";

/** Options of the command line; what is not given is not there. */
export interface ConsumeOptions {
  readonly from?: StartPosition;
  readonly to?: EndPosition;
  readonly max?: number;
  readonly partition?: number;
  readonly key?: string;
  readonly format: RecordFormat;
  readonly group?: string;
}

const HELP = `
Without --from it begins with what is written from now on; without --to it follows until Ctrl-C. Positions:
  --from earliest | latest | OFFSET | TIME     OFFSET needs --partition, unless the topic has one partition
  --to   end | OFFSET | TIME                   exclusive; end: what is there when the command starts
A TIME is ISO 8601 with Z or an offset and means the time at which the broker appended the record.
Order is kept within a partition; with several partitions their records are mixed.

With --group it is a member of that group: it begins where the group left off (at the earliest record when nothing is committed),
shares the partitions with the other members, and follows. What stdout has taken is committed, every second and at the end. Ctrl-C, SIGTERM
and --max end it in order: it commits what it printed, and leaves. --from, --to and --partition are for reading without a group; a group is
moved by varve group seek.

Formats:
  value   the value's bytes and a newline; a record without value is an empty line
  json    a line {topic, partition, offset, timestamp, key, value, headers}; what is not UTF-8 is base64: the line then has
          "encoding": "base64" and "encoded", the list of the fields that are ("key", "value", "headers.NAME"). A header that
          repeats has a list. --json means the same.

Examples:
  varve consume logs --from earliest --to end
  varve consume logs --partition 2 --from 100 --max 3 --format json
  varve consume logs --from 2026-05-17T10:00:00Z --to 2026-05-17T13:00:00+02:00
  varve consume orders --from earliest --key 42
  varve consume orders --group billing
  varve consume orders --group billing --max 100 --format json
`;

export function registerConsume(parent: Command, shell: Shell): void {
  parent
    .command("consume")
    .summary("print records")
    .description("Prints records of a topic, from a point, to a point or for ever.")
    .argument("<topic>")
    .option("--from <position>", "where to begin (default: latest)", startPosition)
    .option("--to <position>", "where to end; absent: follow", endPosition)
    .option("--max <count>", "end after so many records", integerIn(1, NUMBER_MAX))
    .option("--partition <number>", "only this partition", integerIn(0, LIMITS.partitionsPerTopicMax - 1))
    .option("--key <text>", "only records with this key; with --group the others count as done")
    .option("--group <name>", "work as a member of this group")
    .addOption(new Option("--format <name>", "how a record is printed").choices(["value", "json"]).default("value"))
    .addHelpText("after", HELP)
    .action((topic: string, options: ConsumeOptions, command: Command) => {
      const global = globalOptions(command, shell.env);
      const { group, key, max } = options;
      const format = global.json ? "json" : options.format;
      if (group === undefined) {
        return withCluster(shell, global, (client) => consume(shell, client, topic, { ...options, format }));
      }
      refuseRange(group, topic, options);
      const job = { group, topic, key, max, format, quiet: global.json };
      return withCluster(shell, global, (client) => consumeAsMember(shell, client, job));
    });
}

async function consume(shell: Shell, client: ClusterClient, topic: string, options: ConsumeOptions): Promise<void> {
  const partitions = await partitionsToRead(client, topic, options);
  const { from = "latest", to, max = Number.POSITIVE_INFINITY } = options;
  const reader = client.reader({
    topic,
    from,
    signal: shell.stop,
    ...(partitions === null ? {} : { partitions }),
    ...(to === undefined ? {} : { to }),
  });
  const key = options.key === undefined ? null : Buffer.from(options.key);
  let printed = 0;
  // A person who sees the records themselves needs no counter between them.
  const progress = new Progress(shell.stderr, () => `${count(reader.progress.read)} read, ${count(printed)} printed`);
  if (!shell.stdout.isTerminal) progress.start();
  try {
    for await (const record of reader) {
      if (key !== null && record.key?.equals(key) !== true) continue;
      const written = shell.stdout.write(recordLine(record, options.format));
      if (written !== undefined) await written;
      printed += 1;
      if (printed >= max) break;
    }
  } catch (error) {
    if (!shell.stop.aborted) throw error;
  } finally {
    progress.stop();
    await shell.stdout.flush();
  }
  // Following has no other end than this one; a range that was cut short is a failure.
  if (shell.stop.aborted && (to !== undefined || options.max !== undefined)) throw shell.stop.reason;
}

/** null: all of them. */
async function partitionsToRead(
  client: ClusterClient,
  topic: string,
  options: ConsumeOptions,
): Promise<number[] | null> {
  const { from, to, partition } = options;
  if (partition !== undefined) return [partition];
  if (!isOffset(from) && !isOffset(to)) return null;
  return [await onePartition(client, topic)];
}
