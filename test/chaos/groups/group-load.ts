/**
 * group-load.ts: groups of worker processes that work through the topic while brokers and workers are broken, and what they have finished.
 *
 * Two groups: `auto`, whose members have static ids and leave the commits to the SDK, and `manual`, whose members commit themselves. Loads that share a
 * cluster put a prefix of their own before both names.
 */
import type { Prng } from "@varve/base/testing";
import type { TlsOptions } from "@varve/client";
import { waitUntilNone } from "../clock.js";
import type { Recorder } from "../recorder.js";
import type { GroupMode, WorkerEnd, WorkerPlan } from "./plan.js";
import { type WorkerEvent, WorkerProcess } from "./worker-process.js";

const MODES: readonly GroupMode[] = ["auto", "manual"];
const WORKERS = 2;
const SESSION_TIMEOUT_MS = 5_000;
const CLOSE_MS = 20_000;
/** Workers that one run may start, so that a run that goes wrong is no bomb. */
const WORKERS_MAX = 2_000;

/** Ways to end that a nemesis has caused: of two with one static id one is fenced, and what is closed is closed. */
const EXPECTED_ENDS: readonly (string | null)[] = [null, "FENCED_INSTANCE"];

export interface GroupLoadOptions {
  readonly bootstrap: string;
  readonly topic: string;
  readonly partitions: number;
  readonly recorder: Recorder;
  readonly prng: Prng;
  /** Default: plain text. */
  readonly tls?: TlsOptions | null;
  /** Begins the groups' names; a load that is not alone on its cluster needs one of its own. Default: empty. */
  readonly groupPrefix?: string;
}

export class GroupLoad {
  readonly groups: readonly string[];
  /** What went wrong: members that ended by themselves. */
  readonly problems: string[] = [];
  readonly sessionTimeoutMs = SESSION_TIMEOUT_MS;
  private readonly options: GroupLoadOptions;
  private readonly all: WorkerProcess[] = [];
  /** By group, by partition: offsets that were finished. */
  private readonly finished: Map<string, Set<number>[]>;
  private started = 0;
  private isOver = false;

  /** Starts the workers. */
  constructor(options: GroupLoadOptions) {
    this.options = options;
    const { partitions, groupPrefix = "" } = options;
    this.groups = MODES.map((mode) => groupPrefix + mode);
    this.finished = new Map(
      this.groups.map((group) => [group, Array.from({ length: partitions }, () => new Set<number>())]),
    );
    for (const group of this.groups) for (let at = 0; at < WORKERS; at++) this.start(group, staticIdOf(group, at));
  }

  /** Workers that run now; of one group, or of all. */
  running(group?: string): readonly WorkerProcess[] {
    return this.all.filter(({ state, plan }) => state === "running" && (group === undefined || plan.group === group));
  }

  /** One more process, of one member or of many. */
  start(group: string, staticId: string | null, members = 1): WorkerProcess | null {
    if (this.isOver || this.started >= WORKERS_MAX) return null;
    const { bootstrap, topic, recorder, prng, tls = null } = this.options;
    const mode = modeOf(group);
    const plan: WorkerPlan = {
      bootstrap,
      name: `${group}-${this.started++}`,
      group,
      topic,
      mode,
      staticId,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      members,
      seed: prng.uint32(),
      tls,
    };
    const worker = new WorkerProcess(plan, recorder, {
      onEvent: (event) => this.note(event),
      onEnd: (ended, end) => this.memberEnded(ended, end),
    });
    this.all.push(worker);
    void worker.ended.then(() => this.all.splice(this.all.indexOf(worker), 1));
    return worker;
  }

  /** Thaws everybody, and gives each group the workers that it lacks. */
  mend(): void {
    for (const worker of this.all) if (worker.state === "frozen") worker.thaw();
    for (const group of this.groups) {
      const staticIds = this.running(group).map(({ plan }) => plan.staticId);
      for (let at = 0; at < WORKERS; at++) {
        const staticId = staticIdOf(group, at);
        const isThere = staticId === null ? staticIds.length > at : staticIds.includes(staticId);
        if (!isThere) this.start(group, staticId);
      }
    }
  }

  /** Waits until each group has finished everything below `ends`. @throws Error when one does not get on. */
  async caughtUp(
    ends: readonly number[],
    limits: { readonly stillMs: number; readonly deadlineMs: number },
  ): Promise<void> {
    for (const [group, partitions] of this.finished) {
      await waitUntilNone(`records that ${group} has not finished`, limits, () =>
        ends.reduce((sum, end, partition) => sum + end - (partitions[partition]?.size ?? 0), 0),
      );
    }
  }

  /** Lets everybody finish and leave; no process is left. */
  async stop(): Promise<void> {
    this.isOver = true;
    await Promise.all(this.all.map((worker) => worker.close(CLOSE_MS)));
  }

  /** kill -9 to everybody, without waiting. */
  killAll(): void {
    this.isOver = true;
    for (const worker of this.all) worker.drop();
  }

  private note(event: WorkerEvent): void {
    if (event.f !== "process") return;
    this.finished.get(String(event["group"]))?.[Number(event["partition"])]?.add(Number(event["offset"]));
  }

  private memberEnded(worker: WorkerProcess, { ended, code, message }: WorkerEnd): void {
    if (EXPECTED_ENDS.includes(code)) return;
    this.problems.push(`the member ${ended} of ${worker.plan.group} ended with ${code}: ${message}`);
  }
}

/** Members of `auto` keep their names over restarts. */
export function staticIdOf(group: string, at: number): string | null {
  return modeOf(group) === "auto" ? `static-${at}` : null;
}

/** What a group's name ends with. */
function modeOf(group: string): GroupMode {
  return group.endsWith("manual") ? "manual" : "auto";
}
