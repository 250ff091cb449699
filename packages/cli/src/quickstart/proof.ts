/**
 * proof.ts: the quickstart: three brokers, every line of the input produced while the leader of most partitions dies by kill -9, and a replay
 * by a separate process that must find exactly the input.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { assert, VarveError } from "@varve/base";
import { Varve } from "@varve/client";
import type { ClusterClient } from "../shell/shell.js";
import { inputArguments } from "./arguments.js";
import { type FailoverFigures, FailoverWatch, leaderOfMost, type PartitionAtKill } from "./failover-watch.js";
import { Follower } from "./follower.js";
import { changedFiles, type InputChoice, type InputFile, type InputRecord, readInput } from "./input.js";
import { LocalBrokers } from "./local-brokers.js";
import { interleave, type Tamper, tamper } from "./order.js";
import { type Pace, PacedSender, RECORDS_MIN, type Sent } from "./paced-sender.js";
import { isProof, type Verdict } from "./replay-check.js";
import { BROKERS, PARTITIONS, REPLICAS, TOPIC } from "./topic.js";

export interface ProofOptions {
  readonly choice: InputChoice;
  readonly pace: Pace;
  readonly tamper: Tamper | null;
  /** Told what happens, a line each. */
  readonly say: (text: string) => void;
}

/** What one run found. */
export interface ProofResult {
  readonly sent: Sent;
  readonly failover: FailoverFigures;
  readonly killedBroker: number;
  /** Records that a reader got while they were produced. */
  readonly readMeanwhile: number;
  readonly verdict: Verdict;
  /** Files that someone changed during the run, when the verdict is no proof: they explain a difference. */
  readonly inputChanged: readonly string[];
}

/** For the reader to see the last acknowledged record. */
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
    const produced = await produceThroughFailover(options, brokers, records);
    say("a separate process replays the topic from offset 0 and compares it with the input");
    const verdict = await verify(choice, brokers.bootstrap);
    proven = true;
    return { ...produced, verdict, inputChanged: isProof(verdict) ? [] : changedFiles(files) };
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

async function produceThroughFailover(
  { pace, say }: ProofOptions,
  brokers: LocalBrokers,
  records: readonly InputRecord[],
): Promise<Omit<ProofResult, "verdict" | "inputChanged">> {
  const varve = new Varve({ bootstrap: brokers.bootstrap.split(",") });
  try {
    await varve.admin.createTopic({ topic: TOPIC, partitions: PARTITIONS, replicas: REPLICAS });
    const follower = new Follower(varve, TOPIC);
    const disturbance = new KillOfLeader(varve, brokers, say);
    const sent = await new PacedSender(records, pace, disturbance).send(varve, TOPIC);
    const { failure, acknowledged } = sent.window;
    if (failure !== null) throw failure.error;
    await disturbance.restarted;
    await follower.caughtUp(acknowledged, CATCH_UP_MS);
    const readMeanwhile = follower.read;
    await follower.close();
    return { sent, failover: disturbance.watch.figures(), killedBroker: disturbance.victim, readMeanwhile };
  } finally {
    await varve.close();
  }
}

/** Kills the leader of most partitions and starts it again. */
class KillOfLeader {
  readonly watch = new FailoverWatch();
  restarted: Promise<void> = Promise.resolve();
  victim = 0;
  private readonly client: ClusterClient;
  private readonly brokers: LocalBrokers;
  private readonly say: (text: string) => void;
  private partitions: readonly PartitionAtKill[] = [];

  constructor(client: ClusterClient, brokers: LocalBrokers, say: (text: string) => void) {
    this.client = client;
    this.brokers = brokers;
    this.say = say;
  }

  async aim(): Promise<void> {
    const { partitions } = await this.client.admin.describeTopic(TOPIC);
    const victim = leaderOfMost(partitions);
    if (victim === null) throw new VarveError("INTERNAL", { message: "no partition has a leader", effect: "NONE" });
    this.partitions = partitions;
    this.victim = victim;
  }

  kill(nowMs: number): void {
    assert(this.victim > 0, "aim comes before kill");
    this.brokers.kill(this.victim);
    this.watch.killed(this.victim, this.partitions, nowMs);
    this.say(`kill -9 of broker ${this.victim}, which leads most partitions`);
  }

  restart(): void {
    this.say(`broker ${this.victim} starts again`);
    this.restarted = this.brokers.restart(this.victim);
    this.restarted.catch(() => {}); // Awaited after the last record; must not end the process before.
  }

  acknowledged({ partition, epoch }: { readonly partition: number; readonly epoch: number }, nowMs: number): void {
    this.watch.acknowledged(partition, epoch, nowMs);
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
