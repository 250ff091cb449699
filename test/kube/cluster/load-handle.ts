/** load-handle.ts: a load that runs somewhere, as the scenarios steer it, and the verdict on its history. */
import { randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { checkHistory, linesOf } from "../../chaos/history/index.js";
import { CONTROL_PORT, LOAD_DEFAULTS, type LoadEnd, type LoadPlan, type LoadStatus, OWN_PREFIX } from "../load/plan.js";
import { type RunOptions, until, type World } from "./runner.js";

const START_MS = 180_000;
const ASK_MS = 60_000;
/** Readers and groups may have much to do before they are at the end. */
const STOP_MS = 900_000;
const HISTORY_TRIES = 3;

/** How a load is reached. */
export interface LoadSite {
  readonly name: string;
  /** The node that it needs; null: none. */
  readonly node: string | null;
  /** Runs `ask.js` with these arguments beside the load; gives what it wrote. @throws Error. */
  ask(args: readonly string[], options: RunOptions): Promise<string>;
  /** Leaves nothing behind. */
  remove(): Promise<void>;
}

export class LoadHandle {
  constructor(private readonly site: LoadSite) {}

  get name(): string {
    return this.site.name;
  }

  get node(): string | null {
    return this.site.node;
  }

  /** Resolves when a second's records are acknowledged: every partition has had its share. @throws Error when that takes too long. */
  async whenSteady(world: World, { bytesPerSecond, recordBytes }: LoadPlan): Promise<void> {
    await until(world, "a load that is acknowledged", START_MS, async () => {
      const { acknowledged } = await this.status();
      return acknowledged >= bytesPerSecond / recordBytes || `${acknowledged} records are`;
    });
  }

  /** A fault begins; gaps count from here. */
  begin(fault: string, target: unknown): Promise<LoadStatus> {
    return this.ask(["POST", "/begin", JSON.stringify({ name: fault, target })]);
  }

  end(): Promise<LoadStatus> {
    return this.ask(["POST", "/end"]);
  }

  status(): Promise<LoadStatus> {
    return this.ask(["GET", "/status"]);
  }

  /** Sends no more, waits for readers and groups. */
  stop(): Promise<LoadEnd> {
    return this.ask(["POST", "/stop"], STOP_MS);
  }

  /**
   * After `stop`: the history, compressed into a file, and beside it as the text whose path is returned. One that breaks off on its way, as streams
   * through an API server may while the command succeeds, is asked for again.
   */
  async fetchHistory(compressed: string): Promise<string> {
    const file = compressed.replace(/\.gz$/, "");
    for (let attempt = 1; ; attempt++) {
      try {
        await this.site.ask(["GET", "/history"], { stdoutFile: compressed, timeoutMs: STOP_MS });
        await pipeline(createReadStream(compressed), createGunzip(), createWriteStream(file));
        return file;
      } catch (error) {
        if (attempt === HISTORY_TRIES) throw error;
      }
    }
  }

  remove(): Promise<void> {
    return this.site.remove();
  }

  private async ask<Answer extends LoadStatus>(args: readonly string[], timeoutMs = ASK_MS): Promise<Answer> {
    return JSON.parse(await this.site.ask(args, { timeoutMs })) as Answer;
  }
}

/** The plan of a load on a topic of its own, which no load before it has had. */
export function planOf(given: Pick<LoadPlan, "bootstrap" | "folder"> & Partial<LoadPlan>): LoadPlan {
  const topic = `${OWN_PREFIX}${randomUUID().slice(0, 8)}`;
  return { tls: null, controlPort: CONTROL_PORT, seed: 1, topic, ...LOAD_DEFAULTS, ...given };
}

/** What came of a load. */
export interface LoadVerdict {
  readonly load: string;
  readonly acknowledged: number;
  readonly events: number;
  /** Empty: nothing was lost, and every check holds. */
  readonly problems: readonly string[];
}

/** Judges a history as `npm run check-history` does. */
export function judge(load: string, end: LoadEnd, file: string): LoadVerdict {
  const judgement = checkHistory(linesOf(file));
  const found =
    judgement.kind === "unreadable"
      ? [`line ${judgement.line} of the history: ${judgement.problem}`]
      : judgement.verdicts.filter(({ valid }) => !valid).map(({ check, count }) => `${check}: ${count} found`);
  const { acknowledged, events, problems } = end;
  return { load, acknowledged, events, problems: [...problems, ...found] };
}
