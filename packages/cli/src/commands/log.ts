/** log.ts: `varve log inspect`: what lies in a broker's data directory, whether the broker runs or not. */
import type { Command } from "commander";
import { QuietFailure } from "../shell/failure.js";
import { globalOptions } from "../shell/global-options.js";
import { printResult, type Shell } from "../shell/shell.js";
import type { Style } from "../shell/style.js";
import { table } from "../shell/table.js";

type Report = Awaited<ReturnType<typeof inspect>>;

export function registerLog(parent: Command, shell: Shell): void {
  const log = parent.command("log").summary("look into data directories").description("A broker's files.");
  log
    .command("inspect")
    .description(
      "Segments, frames, batches, WAL and checkpoints of a data directory, and what is damaged. Changes nothing and may be used while " +
        "the broker runs. Exit code 1 when something is damaged or missing.",
    )
    .argument("<dir>", "data directory of one broker")
    .addHelpText(
      "after",
      "\nExamples:\n  varve log inspect .varve/broker-1\n  varve log inspect .varve/broker-1 --json\n",
    )
    .action(async (dir: string, _: object, command: Command) => {
      const report = await inspect(dir);
      printResult(shell, globalOptions(command, shell.env).json, report, (style) => asText(report, style));
      if (report.problems.length > 0) throw new QuietFailure();
    });
}

async function inspect(dir: string) {
  const { inspectDataDir } = await import("@varve/broker/node");
  return inspectDataDir(dir);
}

function asText(report: Report, style: Style): string {
  const { node } = report;
  const identity =
    node === null
      ? "no identity\n"
      : `broker ${node["brokerId"]}, directory ${node["directoryId"]}, cluster ${node["clusterId"]}, format ${node["formatVersion"]}\n`;
  return [
    `${style.bold(report.dataDir)}: ${identity}`,
    `\n${style.bold("Write-ahead log")}\n`,
    table(
      ["file", "bytes", "flushes", "first", "last", "frames"],
      report.wal.map((file) => [
        shortName(file.file),
        file.bytes,
        file.flushes,
        file.firstSequence,
        file.lastSequence,
        file.frames,
      ]),
    ),
    ...report.logs.map((log) => logText(log, style)),
    report.problems.length === 0
      ? `\n${style.green("nothing is damaged")}\n`
      : `\n${style.red("damaged or missing")}\n${report.problems.map((problem) => `  - ${problem}\n`).join("")}`,
  ].join("");
}

function logText(log: Report["logs"][number], style: Style): string {
  const { groupId, replicaId, topicId, partition } = log.spec;
  const name = groupId === 0 ? "controller" : `topic ${topicId} partition ${partition}`;
  return [
    `\n${style.bold(name)}: group ${groupId}, replica ${replicaId}, term ${log.term}, vote ${log.vote}, commit ${log.commit}, `,
    `drained to ${log.drainedIndex}, ${log.walFrames} frames in the WAL only\n`,
    table(
      ["segment", "bytes", "offset", "next", "index", "last", "frames", "batches", "records", "problem"],
      log.segments.map((segment) => [
        shortName(segment.file),
        segment.bytes,
        segment.baseOffset,
        segment.nextOffset,
        segment.firstIndex,
        segment.lastIndex,
        segment.frames,
        segment.batches,
        segment.records,
        segment.problem,
      ]),
    ),
    log.checkpoints.length === 0
      ? ""
      : table(
          ["checkpoint", "bytes", "index", "offset", "problem"],
          log.checkpoints.map(({ file, bytes, index, offset, problem }) => [
            shortName(file),
            bytes,
            index,
            offset,
            problem,
          ]),
        ),
  ].join("");
}

function shortName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
