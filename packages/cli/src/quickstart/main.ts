/**
 * main.ts: `npm run quickstart`: proves on real input that nothing acknowledged is lost, doubled, altered or reordered, and nothing
 * skipped by a group that reads it, while a broker and a worker of the group are killed.
 *
 * Exit codes: 0 proven, 1 not proven, 2 wrong usage.
 */
import { Command, Option } from "commander";
import { EXIT, type ExitCode, reportFailure } from "../shell/failure.js";
import { StreamOutput } from "../shell/output.js";
import { addInputOptions, type InputOptions, inputChoice } from "./arguments.js";
import { TAMPERS, type Tamper } from "./order.js";
import type { Pace } from "./paced-sender.js";
import { prove } from "./proof.js";
import { figuresOf, reportText } from "./report.js";

interface Options extends InputOptions {
  readonly tamper?: Tamper;
  readonly quick: boolean;
  readonly json: boolean;
}

interface Tempo {
  readonly pace: Pace;
  readonly sessionTimeoutMs: number;
}

const TEMPO: Tempo = { pace: { durationMs: 12_000, restartAfterMs: 3_000 }, sessionTimeoutMs: 3_000 };
const TEMPO_QUICK: Tempo = { pace: { durationMs: 3_000, restartAfterMs: 500 }, sessionTimeoutMs: 2_000 };
/** Nothing here waits for ever: a run that hangs is a failure, too. */
const RUN_MS_MAX = 120_000;

const HELP = `
Starts three brokers on free ports in a temporary folder and a topic with 6 partitions and 3 replicas, produces every line of the input,
kills the leader of most partitions with kill -9 in the middle and starts it again later. A group of two processes reads meanwhile; one of them
is killed with the broker, and the other must go on with its partitions. Then a separate process, which knows only the input and the
address, replays the topic from offset 0: every file that git tracks here must be rebuilt byte for byte; with --input all lines must be
there once, those of one key in order. A record that the group got again is "redelivered"; a duplicate in the log is another thing.

Examples:
  npm run quickstart
  npm run quickstart -- --input access.log --key-field 1
  npm run quickstart -- --tamper drop       spoils one record on the way and must fail
`;

function command(): Command {
  return addInputOptions(new Command("quickstart"))
    .addOption(new Option("--tamper <how>", "spoil one record on the way: the proof must then fail").choices(TAMPERS))
    .option(
      "--quick",
      "3 s instead of 12 s of producing, and a session timeout of 2 s instead of 3 s, for tests",
      false,
    )
    .option("--json", "the figures as one JSON object", false)
    .addHelpText("after", HELP)
    .configureOutput({ outputError: () => {} })
    .exitOverride();
}

async function quickstart(options: Options, stdout: StreamOutput, stderr: StreamOutput): Promise<ExitCode> {
  const result = await prove({
    choice: inputChoice(options),
    ...(options.quick ? TEMPO_QUICK : TEMPO),
    tamper: options.tamper ?? null,
    say: (text) => void stderr.write(`${text}\n`),
  });
  const figures = figuresOf(result);
  void stdout.write(options.json ? `${JSON.stringify(figures)}\n` : reportText(figures));
  void stderr.write(figures.proven ? "PROVEN: the log is the input\n" : "NOT PROVEN\n");
  return figures.proven ? EXIT.done : EXIT.failed;
}

const stdout = new StreamOutput(process.stdout, () => {});
const stderr = new StreamOutput(process.stderr, () => {});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(EXIT.failed));
const limit = setTimeout(() => {
  process.stderr.write(`not done after ${RUN_MS_MAX / 1_000} s\n`);
  process.exit(EXIT.failed);
}, RUN_MS_MAX);
let code: ExitCode;
try {
  code = await quickstart(command().parse().opts<Options>(), stdout, stderr);
} catch (error) {
  code = reportFailure(error, stderr, process.env, process.argv.includes("--json"));
}
clearTimeout(limit);
await Promise.all([stdout.flush(), stderr.flush()]);
process.exit(code);
