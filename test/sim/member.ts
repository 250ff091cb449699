/**
 * member.ts: one member of the group at work, with handlers that take their time, until it leaves or is killed.
 */
import { delay } from "@varve/base";
import type { Prng } from "@varve/base/testing";
import type { ClientProcess } from "./client-process.js";
import type { GroupTruth } from "./group-truth.js";
import { Violation } from "./violation.js";

export interface MemberOptions {
  readonly process: ClientProcess;
  readonly prng: Prng;
  readonly truth: GroupTruth;
  readonly group: string;
  readonly topic: string;
  readonly staticId: string | undefined;
  readonly fail: (error: unknown) => void;
  readonly note: (what: string) => void;
}

const SESSION_TIMEOUT_MS = 6_000;
const HANDLER_MS_MAX = 30;

export class Member {
  readonly process: ClientProcess;
  readonly staticId: string | undefined;
  isOver = false;
  private readonly options: MemberOptions;
  private readonly consumer: ReturnType<ClientProcess["varve"]["consumer"]>;
  /** Newest offset begun with, by partition and key. */
  private readonly begun = new Map<number, Map<string, number>>();

  constructor(options: MemberOptions) {
    const { process, group, topic, staticId } = options;
    this.options = options;
    this.process = process;
    this.staticId = staticId;
    this.consumer = process.varve.consumer({
      group,
      topics: [topic],
      staticId,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      commitIntervalMs: 200,
    });
    this.consumer.on("assigned", ({ partitions }) => {
      for (const { partition } of partitions) this.begun.delete(partition);
    });
  }

  start(concurrency: number): void {
    const { process, fail, note, prng, truth } = this.options;
    const ended = this.consumer.run({
      concurrency,
      handler: async (record) => {
        this.begins(record.partition, String(record.key), record.offset);
        await delay(process.clock, prng.ratio() * HANDLER_MS_MAX);
        if (!process.isDead) truth.onFinished(record.partition, record.offset);
      },
    });
    ended.then(
      () => note("left"),
      (error: unknown) => {
        this.isOver = true;
        if (process.isDead) return;
        const code = typeof error === "object" && error !== null && "code" in error ? error.code : null;
        note(`ended: ${String(code)}`);
        if (code !== "FENCED_INSTANCE") fail(error);
      },
    );
  }

  async leave(): Promise<void> {
    this.isOver = true;
    await this.consumer.close();
  }

  /** SIGSTOP: it says and hears nothing until it is resumed, and then goes on as if nothing had happened. */
  pause(): void {
    this.process.clock.pause();
  }

  resume(): void {
    this.process.clock.resume();
  }

  kill(isSilent: boolean): void {
    this.isOver = true;
    this.process.kill(isSilent);
  }

  private begins(partition: number, key: string, offset: number): void {
    const keys = this.begun.get(partition) ?? new Map<string, number>();
    this.begun.set(partition, keys);
    const before = keys.get(key) ?? -1;
    if (offset <= before)
      this.options.fail(
        new Violation("O1", `key ${key} of partition ${partition}: ${offset} is begun after ${before}`),
      );
    keys.set(key, offset);
  }
}
