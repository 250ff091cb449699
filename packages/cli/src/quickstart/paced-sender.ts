/**
 * paced-sender.ts: sends the records evenly over a given time, and has the cluster disturbed on the way.
 *
 * Invariants:
 *   N1  the kill comes when 40-60 % of the records are acknowledged, and records are in flight at that moment
 *   N2  unanswered records are at most a twentieth of all (at least 2), so that one answer cannot jump over that range
 */
import { assert, MIB } from "@varve/base";
import type { SendResult } from "@varve/client";
import { SendWindow } from "../input/send-window.js";
import type { ClusterClient } from "../shell/shell.js";
import type { InputRecord } from "./input.js";
import { HEADER, NO_NEWLINE } from "./replay-check.js";

export interface Pace {
  /** From the first to the last record, when nothing delays them. */
  readonly durationMs: number;
  /** From the kill to the restart of the killed broker. */
  readonly restartAfterMs: number;
}

/** What happens on the way; times are those of `performance.now()`. */
export interface Disturbance {
  /** Finds whom to kill; the kill itself follows with `kill`, once records are in flight. */
  aim(): Promise<void>;
  kill(nowMs: number): void;
  restart(): void;
  acknowledged(answer: SendResult, nowMs: number): void;
}

/** Acknowledged shares: from here on the victim is chosen, */
const AIM_RATIO = 0.42;
/** killed as soon as a batch is on the wire, */
const KILL_RATIO = 0.45;
/** or right after the next send. */
const KILL_AT_ONCE_RATIO = 0.5;
const TICK_MS = 10;
/** The SDK waits 5 ms for company before it sends a batch; then the batch is on its way. */
const IN_FLIGHT_AFTER_MS = 6;
/** Fewest records whose window keeps N1. */
export const RECORDS_MIN = 20;
const WINDOW_BYTES_MAX = 16 * MIB;

export interface Sent {
  readonly window: SendWindow<SendResult>;
  readonly tookMs: number;
  readonly inFlightAtKill: number;
  readonly ratioAtKill: number;
}

export class PacedSender {
  private readonly records: readonly InputRecord[];
  private readonly pace: Pace;
  private readonly disturbance: Disturbance;
  private readonly window: SendWindow<SendResult>;
  private state: "before-kill" | "aimed" | "down" | "restarted" = "before-kill";
  private killedAtMs = 0;
  private inFlightAtKill = 0;
  private ratioAtKill = 0;

  constructor(records: readonly InputRecord[], pace: Pace, disturbance: Disturbance) {
    assert(records.length >= RECORDS_MIN, "N2 needs RECORDS_MIN records");
    this.records = records;
    this.pace = pace;
    this.disturbance = disturbance;
    const recordsMax = Math.max(2, Math.floor(records.length / 20));
    this.window = new SendWindow({ recordsMax, bytesMax: WINDOW_BYTES_MAX }, (answer: SendResult) =>
      disturbance.acknowledged(answer, performance.now()),
    );
  }

  /** Resolves when every record is answered or one has failed. `topic` gets them in the given order. */
  async send(client: ClusterClient, topic: string): Promise<Sent> {
    const producer = client.producer();
    const startedAtMs = performance.now();
    for (const [index, record] of this.records.entries()) {
      while (index >= this.dueAfter(performance.now() - startedAtMs)) {
        this.restartWhenDue();
        await sleep(TICK_MS);
      }
      await this.window.admit();
      if (this.window.failure !== null) break;
      this.window.track(record.value.length, producer.send(toSend(topic, record)));
      await this.disturb();
    }
    await this.window.drained();
    const tookMs = performance.now() - startedAtMs;
    await producer.close();
    if (this.state === "down") this.restart();
    const { window, inFlightAtKill, ratioAtKill } = this;
    return { window, tookMs, inFlightAtKill, ratioAtKill };
  }

  /** How many records shall have been sent. Before the kill the window is kept full, so that it meets many records in flight. */
  private dueAfter(elapsedMs: number): number {
    const all = this.records.length;
    return this.state === "aimed" ? all : (all * elapsedMs) / this.pace.durationMs;
  }

  private get acknowledgedRatio(): number {
    return this.window.acknowledged / this.records.length;
  }

  /** Called right after a send: kills while that record, or another, is on its way; else the next send tries again. */
  private async disturb(): Promise<void> {
    const ratio = this.acknowledgedRatio;
    if (this.state === "before-kill" && ratio >= AIM_RATIO) {
      await this.disturbance.aim();
      this.state = "aimed";
      return;
    }
    if (this.state !== "aimed" || ratio < KILL_RATIO) return;
    if (ratio < KILL_AT_ONCE_RATIO) {
      await sleep(IN_FLIGHT_AFTER_MS);
      if (this.window.unanswered === 0) return;
    }
    this.kill();
  }

  private kill(): void {
    assert(this.window.unanswered > 0, "N1");
    this.state = "down";
    this.killedAtMs = performance.now();
    this.inFlightAtKill = this.window.unanswered;
    this.ratioAtKill = this.acknowledgedRatio;
    this.disturbance.kill(this.killedAtMs);
  }

  private restartWhenDue(): void {
    if (this.state === "down" && performance.now() - this.killedAtMs >= this.pace.restartAfterMs) this.restart();
  }

  private restart(): void {
    this.state = "restarted";
    this.disturbance.restart();
  }
}

function toSend(topic: string, { key, value, line, newline }: InputRecord) {
  const headers = { [HEADER.line]: String(line), ...(newline ? {} : { [HEADER.newline]: NO_NEWLINE }) };
  return { topic, key, value, headers };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
