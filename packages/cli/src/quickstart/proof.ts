/**
 * proof.ts: the quickstart: three brokers, every line of the input produced, and read by a group of two processes, while the leader of most
 * partitions and one of the two die by kill -9; then a replay by a separate process that must find exactly the input.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { VarveError } from "@varve/base";
import { Varve } from "@varve/client";
import { inputArguments } from "./arguments.js";
import type { FailoverFigures } from "./failover-watch.js";
import type { GroupFigures } from "./group-check.js";
import { changedFiles, type InputChoice, type InputFile, type InputRecord, readInput } from "./input.js";
import { Kills } from "./kills.js";
import { LocalBrokers } from "./local-brokers.js";
import { interleave, type Tamper, tamper } from "./order.js";
import { type Pace, PacedSender, RECORDS_MIN, type Sent } from "./paced-sender.js";
import { ReadingGroup, WORKERS } from "./reading-group.js";
import { isProof, type Verdict } from "./replay-check.js";
import { BROKERS, GROUP, PARTITIONS, REPLICAS, TOPIC } from "./topic.js";

export interface ProofOptions {
  readonly choice: InputChoice;
  readonly pace: Pace;
  /** Silence after which the group takes one of its workers for dead. */
  readonly sessionTimeoutMs: number;
  readonly tamper: Tamper | null;
  /** Told what happens, a line each. */
  readonly say: (text: string) => void;
}

/** What one run found. */
export interface ProofResult {
  readonly sent: Sent;
  readonly failover: FailoverFigures;
  readonly killedBroker: number;
  readonly killedWorker: string;
  readonly group: GroupFigures;
  readonly verdict: Verdict;
  /** Files that someone changed during the run, when the verdict is no proof: they explain a difference. */
  readonly inputChanged: readonly string[];
}

/** For the group to work on the last acknowledged record, from when its dead member is due to be replaced. */
const CATCH_UP_MS = 10_000;
const VERIFIER = fileURLToPath(new URL("./verify-main.js", import.meta.url));

/** @throws VarveError when something fails outright; a log that differs from the input is a verdict, not an error. */
export async function prove(options: ProofOptions): Promise<ProofResult> {
  const { choice, say } = options;
  const files = readInput(choice);
  const records = recordsToSend(files, options);
  const brokers = await LocalBrokers.start(BROKERS);
  let proven = false;
  try {
    say(`${BROKERS} brokers are ready at ${brokers.bootstrap}`);
    const { group, ...produced } = await produceThroughFailover(options, brokers, records);
    say("a separate process replays the topic from offset 0 and compares it with the input");
    const verdict = await verify(choice, brokers.bootstrap);
    proven = true;
    const inputChanged = isProof(verdict) ? [] : changedFiles(files);
    return { ...produced, group: group.figures(verdict.ends), verdict, inputChanged };
  } finally {
    await brokers.stop({ keepFiles: !proven });
    if (!proven) say(`the brokers' folders and logs are kept in ${brokers.folder}`);
  }
}

function recordsToSend(files: readonly InputFile[], options: ProofOptions): InputRecord[] {
  const all = interleave(files);
  const records = options.tamper === null ? all : tamper(all, options.tamper);
  if (records.length < RECORDS_MIN) {
    throw new VarveError("INVALID_ARGUMENT", {
      message: `the input has ${records.length} lines; at least ${RECORDS_MIN} are needed to kill a leader in the middle`,
    });
  }
  const bytes = records.reduce((sum, { value }) => sum + value.length, 0);
  options.say(`input: ${files.length} file${files.length === 1 ? "" : "s"}, ${records.length} lines, ${bytes} bytes`);
  return records;
}

interface Produced extends Pick<ProofResult, "sent" | "failover" | "killedBroker" | "killedWorker"> {
  readonly group: ReadingGroup;
}

async function produceThroughFailover(
  { pace, sessionTimeoutMs, say }: ProofOptions,
  brokers: LocalBrokers,
  records: readonly InputRecord[],
): Promise<Produced> {
  const varve = new Varve({ bootstrap: brokers.bootstrap.split(",") });
  try {
    await varve.admin.createTopic({ topic: TOPIC, partitions: PARTITIONS, replicas: REPLICAS });
    const group = new ReadingGroup({ bootstrap: brokers.bootstrap, sessionTimeoutMs });
    try {
      await group.shared();
      say(`${WORKERS} processes share the ${PARTITIONS} partitions as the group ${GROUP}`);
      const kills = new Kills(varve, brokers, group, say);
      const sent = await new PacedSender(records, pace, kills).send(varve, TOPIC);
      const { failure, acknowledged } = sent.window;
      if (failure !== null) throw failure.error;
      await kills.restarted;
      await group.caughtUp(acknowledged, sessionTimeoutMs + CATCH_UP_MS);
      await group.close();
      const { victim: killedBroker, victimWorker: killedWorker } = kills;
      return { sent, failover: kills.watch.figures(), killedBroker, killedWorker, group };
    } finally {
      await group.kill();
    }
  } finally {
    await varve.close();
  }
}

/** The verdict of a process of its own. */
async function verify(choice: InputChoice, bootstrap: string): Promise<Verdict> {
  const child = spawn(process.execPath, [VERIFIER, "--bootstrap", bootstrap, ...inputArguments(choice)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [output, errors, code] = await Promise.all([textOf(child.stdout), textOf(child.stderr), exitCode(child)]);
  if (code === 0 || code === 1) return JSON.parse(output) as Verdict;
  throw new VarveError("INTERNAL", { message: `the replay failed: ${errors.trim()}`, effect: "NONE" });
}

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString();
}

function exitCode(child: ReturnType<typeof spawn>): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code));
  });
}
