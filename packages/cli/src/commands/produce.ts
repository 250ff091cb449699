/** produce.ts: `varve produce`: a record per line of a file or of standard input. */
import { createReadStream } from "node:fs";
import { isVarveError, KIB, LIMITS, MIB, VarveError } from "@varve/base";
import { type Command, Option } from "commander";
import { type KeyRule, keyRule, splitLine } from "../input/key-rule.js";
import { linesOf } from "../input/lines.js";
import { SendWindow } from "../input/send-window.js";
import { fileFailure } from "../shell/failure.js";
import { globalOptions } from "../shell/global-options.js";
import { integerIn, separator } from "../shell/parsers.js";
import { Progress } from "../shell/progress.js";
import { type ClusterClient, type GlobalOptions, note, printResult, type Shell, withCluster } from "../shell/shell.js";
import { count, megabytes, plural, seconds } from "../shell/style.js";

/** Read ahead from the file. */
const CHUNK_BYTES = 256 * KIB;
/** A longer line is no record for any broker. */
const LINE_BYTES_MAX = LIMITS.batchBytesMax;
/** Unanswered records; enough to fill the requests in flight of a few partitions. */
const WINDOW = { recordsMax: 50_000, bytesMax: 16 * MIB };
const FIELD_MAX = 1_000_000;

type Acks = "quorum" | "leader" | "none";

interface ProduceOptions {
  readonly keyField?: number;
  readonly keySeparator?: string;
  readonly acks: Acks;
}

const HELP = `
A record per line of FILE, or of standard input without FILE or with "-". Lines are bytes: a CR before the newline stays in the
value, any encoding passes, the last line may lack its newline. Without a key option records have no key.
  --key-field N                      the key is field N (from 1) between runs of blanks (spaces, tabs); the value is the whole line
  --key-separator S                  the key is what stands before the first S, the value what stands after it; \\t is a tab
  --key-field N --key-separator S    the key is field N between single S; the value is the whole line
A line without that field or separator becomes a record without key.

After a failure the message says how many records were acknowledged and whether others may be in the log; exit code 1.

Examples:
  varve produce logs --key-field 1 access.log
  printf '42:paid\\n' | varve produce orders --key-separator :
  tail -F app.log | varve produce app --acks leader
`;

export function registerProduce(parent: Command, shell: Shell): void {
  parent
    .command("produce")
    .summary("append a record per line")
    .description("Appends a record per line to a topic.")
    .argument("<topic>")
    .argument("[file]", "file to read; standard input when absent or -")
    .option("--key-field <n>", "number of the field that is the key, from 1", integerIn(1, FIELD_MAX))
    .option("--key-separator <text>", "text between key and value, or between fields", separator)
    .addOption(
      new Option(
        "--acks <level>",
        "when a record counts as written: flushed by a majority, flushed by the leader, or sent",
      )
        .choices(["quorum", "leader", "none"])
        .default("quorum"),
    )
    .addHelpText("after", HELP)
    .action((topic: string, file: string | undefined, options: ProduceOptions, command: Command) => {
      const global = globalOptions(command, shell.env);
      return withCluster(shell, global, (client) => produce(shell, client, { topic, file, options, global }));
    });
}

interface Job {
  readonly topic: string;
  readonly file: string | undefined;
  readonly options: ProduceOptions;
  readonly global: GlobalOptions;
}

async function produce(shell: Shell, client: ClusterClient, { topic, file, options, global }: Job): Promise<void> {
  // A missing topic is said before the first line is read, also when there is none.
  await requireTopic(client, topic);
  const startedAtMs = performance.now();
  const window = new SendWindow(WINDOW);
  const progress = new Progress(shell.stderr, () => progressText(window, performance.now() - startedAtMs));
  progress.start();
  let inputFailure: unknown = null;
  try {
    await sendLines(shell, client, {
      topic,
      file,
      rule: keyRule(options.keyField, options.keySeparator),
      acks: options.acks,
      window,
    });
  } catch (error) {
    inputFailure = error;
  }
  progress.stop();
  const tookMs = performance.now() - startedAtMs;
  const failure = window.failure?.error ?? inputFailure;
  if (failure !== null) throw withCounts(failure, window);
  if (shell.stop.aborted) throw withCounts(interrupted(), window);
  report(shell, topic, window, tookMs, global.json);
}

async function requireTopic(client: ClusterClient, topic: string): Promise<void> {
  try {
    await client.admin.describeTopic(topic);
  } catch (error) {
    throw isVarveError(error) ? error.withEffect("NOT_APPLIED") : error;
  }
}

interface Sending {
  readonly topic: string;
  readonly file: string | undefined;
  readonly rule: KeyRule;
  readonly acks: Acks;
  readonly window: SendWindow<unknown>;
}

/** Sends until the input ends, a record fails or the command is asked to stop; then waits for what is on its way. */
async function sendLines(
  shell: Shell,
  client: ClusterClient,
  { topic, file, rule, acks, window }: Sending,
): Promise<void> {
  const producer = client.producer({ acks });
  const stream =
    file === undefined || file === "-" ? shell.stdin : createReadStream(file, { highWaterMark: CHUNK_BYTES });
  const endInput = (): void => {
    stream.destroy();
  };
  shell.stop.addEventListener("abort", endInput, { once: true });
  try {
    for await (const lines of linesOf(stream, LINE_BYTES_MAX)) {
      for (const line of lines) {
        await window.admit();
        if (window.failure !== null || shell.stop.aborted) return;
        const { key, value } = splitLine(line, rule);
        window.track(line.length, producer.send({ topic, key, value }));
      }
    }
  } catch (error) {
    if (shell.stop.aborted) return;
    throw error instanceof VarveError ? error : fileFailure("read", file ?? "standard input", error);
  } finally {
    shell.stop.removeEventListener("abort", endInput);
    await producer.flush().catch(() => {}); // Each record's own promise says the same.
    await window.drained();
  }
}

function progressText({ sent, acknowledged, acknowledgedBytes }: SendWindow<unknown>, tookMs: number): string {
  return `${count(sent)} sent, ${count(acknowledged)} acknowledged, ${megabytes(acknowledgedBytes)}, ${rate(acknowledged, tookMs)}`;
}

function rate(records: number, tookMs: number): string {
  return `${count(records / Math.max(tookMs / 1_000, 0.001))} records/s`;
}

function report(shell: Shell, topic: string, window: SendWindow<unknown>, tookMs: number, json: boolean): void {
  const { acknowledged: records, acknowledgedBytes: bytes } = window;
  if (json) {
    const secondsTaken = tookMs / 1_000;
    printResult(
      shell,
      json,
      { topic, records, bytes, seconds: secondsTaken, recordsPerSecond: records / secondsTaken },
      () => "",
    );
  }
  const text = `${plural(records, "record")}, ${megabytes(bytes)} in ${seconds(tookMs)}: ${rate(records, tookMs)}`;
  note(shell, json, text);
}

function interrupted(): VarveError {
  return new VarveError("ABORTED", { message: "interrupted before the end of the input", effect: "NOT_APPLIED" });
}

/** The failure with what became of all records: effect UNKNOWN as soon as one of them may be in the log unacknowledged. */
function withCounts(failure: unknown, window: SendWindow<unknown>): unknown {
  if (!(failure instanceof VarveError)) return failure;
  const { acknowledged, notApplied, unknown } = window;
  const first = window.failure === null ? "" : ` (first at record ${count(window.failure.recordNumber)} of the input)`;
  const others =
    unknown === 0 ? "no other record is in the log" : `${plural(unknown, "other record")} may be in the log`;
  return new VarveError(failure.code, {
    message: `${failure.message}${first}; ${plural(acknowledged, "record")} acknowledged, ${others}`,
    details: { ...failure.details, acknowledged, notApplied, unknown },
    effect: unknown > 0 ? "UNKNOWN" : failure.effect,
    retryable: failure.retryable,
    cause: failure,
  });
}
