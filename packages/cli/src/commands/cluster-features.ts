/** cluster-features.ts: `varve cluster features | finalize`: which formats the cluster may write, and which its brokers could. */
import { INT31_MAX, VarveError } from "@varve/base";
import type { ClusterDescription } from "@varve/client";
import type { Command } from "commander";
import { globalOptions } from "../shell/global-options.js";
import { integerIn } from "../shell/parsers.js";
import { type GlobalOptions, printResult, type Shell, withCluster } from "../shell/shell.js";
import { facts, table } from "../shell/table.js";

interface FinalizeOptions {
  readonly level?: number;
}

export function registerFeatures(cluster: Command, shell: Shell): void {
  cluster
    .command("features")
    .description(
      "Shows the finalised feature level, which the formats follow that the cluster writes, and the levels that each broker's software supports.",
    )
    .addHelpText("after", "\nExample:\n  varve cluster features\n")
    .action((_: object, command: Command) => show(shell, globalOptions(command, shell.env)));
  cluster
    .command("finalize")
    .description(
      "Ends an upgrade: finalises a feature level that all brokers support. Their formats may be written from then on, brokers that do not support it are refused, and it never goes back: until then the brokers may be put back to the version before.",
    )
    .option("--level <n>", "default: the newest that every broker supports", integerIn(1, INT31_MAX))
    .addHelpText("after", "\nExamples:\n  varve cluster finalize\n  varve cluster finalize --level 2\n")
    .action((options: FinalizeOptions, command: Command) =>
      finalize(shell, globalOptions(command, shell.env), options),
    );
}

/** The newest level that all support; 0: there is none, or the broker that answered does not know levels. */
function available({ brokers }: ClusterDescription): number {
  return brokers.length === 0 ? 0 : Math.min(...brokers.map(({ featureLevelMax }) => featureLevelMax));
}

async function show(shell: Shell, global: GlobalOptions): Promise<void> {
  const cluster = await withCluster(shell, global, ({ admin }) => admin.describeCluster());
  const { featureLevel, brokers } = cluster;
  const newest = available(cluster);
  const rows = brokers.map(({ id, version, featureLevelMin: min, featureLevelMax: max }) => ({
    id,
    version,
    min,
    max,
  }));
  printResult(shell, global.json, { level: featureLevel, available: newest, brokers: rows }, () =>
    [
      facts([
        ["finalised level", featureLevel],
        ["all support", newest],
      ]),
      table(
        ["broker", "version", "levels"],
        rows.map(({ id, version, min, max }) => [id, version, min === max ? `${min}` : `${min} to ${max}`]),
      ),
      newest > featureLevel ? "varve cluster finalize ends the upgrade; it cannot be taken back\n" : "",
    ].join(""),
  );
}

async function finalize(shell: Shell, global: GlobalOptions, options: FinalizeOptions): Promise<void> {
  const { level, before } = await withCluster(shell, global, async ({ admin }) => {
    const cluster = await admin.describeCluster();
    const wanted = options.level ?? available(cluster);
    if (wanted < 1) throw tooOld();
    await admin.finalizeFeatureLevel({ level: wanted });
    return { level: wanted, before: cluster.featureLevel };
  });
  printResult(shell, global.json, { level, before }, () =>
    level === before ? `level ${level} was finalised before\n` : `level ${level} is finalised; it was ${before}\n`,
  );
}

function tooOld(): VarveError {
  return new VarveError("INVALID_ARGUMENT", {
    message:
      "the broker that answered is of a version that knows no feature levels; nothing was changed; upgrade all brokers first",
  });
}
