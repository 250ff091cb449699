/**
 * consume-group.ts: `varve consume TOPIC --group G`: a member of a group whose work on a record is to print it.
 *
 * Invariants:
 *   M1  a record is finished, and so may be committed, only when stdout has taken its line, or --key passed over it
 *   M2  after --max records nothing more is begun: what is committed at the end is what was printed, and nothing else
 *   M3  when the last commit fails, the exit code is 1: what was printed may come again
 */

import { isVarveError, VarveError } from "@varve/base";
import type { Consumer } from "@varve/client";
import { type EndPosition, isOffset, type StartPosition } from "../input/position.js";
import { type RecordFormat, recordLine } from "../input/record-line.js";
import { formatTime } from "../input/time.js";
import { QuietFailure, UsageError } from "../shell/failure.js";
import { Progress } from "../shell/progress.js";
import { type ClusterClient, note, type Shell } from "../shell/shell.js";
import { count, plural } from "../shell/style.js";

export interface MemberJob {
  readonly group: string;
  readonly topic: string;
  readonly key: string | undefined;
  readonly max: number | undefined;
  readonly format: RecordFormat;
  /** Without remarks. */
  readonly quiet: boolean;
}

interface Range {
  readonly from?: StartPosition;
  readonly to?: EndPosition;
  readonly partition?: number;
}

/** What a member calls itself in `varve group describe`. */
const CLIENT_ID = "varve consume";

/** A group has a place and partitions of its own. @throws UsageError with the command that moves it. */
export function refuseRange(group: string, topic: string, { from, to, partition }: Range): void {
  const given = [
    ...(from === undefined ? [] : ["--from"]),
    ...(to === undefined ? [] : ["--to"]),
    ...(partition === undefined ? [] : ["--partition"]),
  ];
  if (given.length === 0) return;
  const place = from === undefined ? "earliest" : placeText(from);
  const only = partition === undefined ? (isOffset(from) ? " --partition P" : "") : ` --partition ${partition}`;
  throw new UsageError(
    `${given.join(" and ")} cannot be used with --group: a member goes on where its group left off, in the partitions that it is given.
To move the group: varve group seek ${group} --topic ${topic} --to ${place}${only}
To end after so many records: --max N. To read a range, leave --group out.`,
  );
}

/** Prints records as a member of the group, to --max or until it is asked to stop. */
export async function consumeAsMember(shell: Shell, client: ClusterClient, job: MemberJob): Promise<void> {
  const { group, topic, max = Number.POSITIVE_INFINITY } = job;
  const key = job.key === undefined ? null : Buffer.from(job.key);
  const consumer = client.consumer({ group, topics: [topic], clientId: CLIENT_ID });
  if (shell.stop.aborted) return endOfWork(shell, job, 0);
  const ending = new Ending(shell, consumer);
  tellTrouble(shell, consumer, job, ending);
  let read = 0;
  let printed = 0;
  const progress = new Progress(shell.stderr, () => `${count(read)} read, ${count(printed)} printed`);
  if (!shell.stdout.isTerminal) progress.start();
  try {
    await consumer.run({
      handler: async (record) => {
        read += 1;
        if (key !== null && record.key?.equals(key) !== true) return;
        void shell.stdout.write(recordLine(record, job.format));
        if (!(await shell.stdout.flush())) throw new QuietFailure(); // M1
        printed += 1;
        if (printed >= max) ending.begin(); // M2: nothing is begun from this moment on.
      },
      onError: () => "stop",
    });
  } finally {
    progress.stop();
    ending.forget();
  }
  if (ending.failure !== null) throw notCommitted(ending.failure, group, printed); // M3
  endOfWork(shell, job, printed);
}

/** Following has no other end than being asked to; a number that was not reached is a failure. */
function endOfWork(shell: Shell, { max }: MemberJob, printed: number): void {
  if (shell.stop.aborted && max !== undefined && printed < max) throw shell.stop.reason;
}

/** The orderly end: the record in hand is finished, what is finished is committed, the member leaves. */
class Ending {
  private readonly stop: AbortSignal;
  private readonly consumer: Consumer;
  private hasBegun = false;
  /** Why the last commit did not succeed. */
  failure: VarveError | null = null;

  constructor(shell: Shell, consumer: Consumer) {
    this.stop = shell.stop;
    this.consumer = consumer;
    this.stop.addEventListener("abort", this.begin, { once: true });
  }

  /** Not awaited: a handler that waits for its consumer's end would wait for itself. run() resolves after it. */
  readonly begin = (): void => {
    this.hasBegun = true;
    void this.consumer.close();
  };

  /** What fails before the end is tried again; what fails at the end is not. */
  note(error: VarveError): void {
    if (this.hasBegun) this.failure = error;
  }

  forget(): void {
    this.stop.removeEventListener("abort", this.begin);
  }
}

/** Says on stderr why nothing is printed, and what may be printed twice. */
function tellTrouble(shell: Shell, consumer: Consumer, { group, quiet }: MemberJob, ending: Ending): void {
  consumer.on("stalled", ({ reason }) => note(shell, quiet, reason));
  consumer.on("lost", ({ partitions, error }) => {
    const what = plural(partitions.length, "partition");
    note(shell, quiet, `lost ${what} of ${group}; what was not committed comes again: ${error.message}`);
  });
  consumer.on("error", (error, record) => {
    if (record === null && isVarveError(error)) ending.note(error);
  });
}

function notCommitted(error: VarveError, group: string, printed: number): VarveError {
  const { code, effect, retryable, details } = error;
  const message = `${plural(printed, "record")} printed, but the last ones could not be committed to ${group} and may come again: ${error.message}`;
  return new VarveError(code, { message, effect, retryable, details, cause: error });
}

function placeText(position: StartPosition): string {
  if (typeof position === "string") return position;
  return "offset" in position ? `${position.offset}` : formatTime(position.timeMs);
}
