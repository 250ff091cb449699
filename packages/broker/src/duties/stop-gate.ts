/**
 * stop-gate.ts: what a supervisor asks before it stops this broker: waits until no partition would lose its quorum by that, or until its time is over.
 *
 * It changes nothing but what others are told: that this broker is about to stop, so that of several that are to stop at once not all go.
 * Invariants:
 *   G1  it ends within `limitMs` and one look, and never rejects
 *   G2  nobody is let through before the others had time to hear of it, so that two that begin together know of each other
 *   G3  what is told ends by itself soon after the gate has opened, when no stop follows: a lease, no flag
 */
import { type BrokerId, type Clock, delay, type GroupId, type Logger, toVarveError } from "@varve/base";
import type { BrokerStatus } from "./status.js";
import { newestStatuses } from "./status.js";
import { type GroupAtStop, type Others, type Stopping, type StopRisk, stopRisk } from "./stop-risk.js";

/** The end of a wait. */
export interface StopGateReport {
  /** No partition loses its quorum by the stop of this broker. */
  readonly safe: boolean;
  readonly waitedMs: number;
  /** What it would cost, in words; empty when it is safe. */
  readonly waitsFor: readonly string[];
}

export interface StopGateOptions {
  readonly self: BrokerId;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limitMs: number;
  /** Every group with a replica here, without what its leader says. */
  readonly groups: () => readonly Omit<GroupAtStop, "following">[];
  /** Status of groups from whoever leads them. */
  readonly gather: (groupIds: readonly GroupId[], timeoutMs: number) => Promise<readonly BrokerStatus[]>;
  readonly others: Omit<Others, "self">;
  /** Tells all connected brokers. */
  readonly tell: (state: Stopping) => void;
}

/** For what is told to reach the others, before the first look and between two. */
const LOOK_MS = 500;
const ANSWER_MS = 2_000;
const LOG_MS = 10_000;
/** How long "leaving" is repeated after the gate has opened. */
const LEAVING_MS = 10_000;
/** Partitions that are named; the rest is counted. */
const NAMED_MAX = 5;

export class StopGate {
  private readonly options: StopGateOptions;
  private state: Stopping | null = null;
  private leavingUntilMs = 0;
  private run: Promise<StopGateReport> | null = null;
  private sinceMs: number | null = null;
  private risks: readonly StopRisk[] = [];

  constructor(options: StopGateOptions) {
    this.options = options;
  }

  /** Partitions that it waits for now; 0 while it does not wait. */
  get waitingPartitions(): number {
    return this.risks.length;
  }

  /** For how long it has been waiting, milliseconds; 0 while it does not. */
  get waitedMs(): number {
    return this.sinceMs === null ? 0 : this.options.clock.monotonicMs() - this.sinceMs;
  }

  /** Called once a second: repeats what others are to know. */
  step(): void {
    const { clock, tell } = this.options;
    if (this.state === "leaving" && clock.monotonicMs() > this.leavingUntilMs) this.state = null; // G3
    if (this.state !== null) tell(this.state);
  }

  /** This broker stops now, asked or not. */
  leave(): void {
    const { clock, tell } = this.options;
    this.state = "leaving";
    this.leavingUntilMs = clock.monotonicMs() + LEAVING_MS;
    tell(this.state);
  }

  /** Resolves when this broker may stop, or has waited long enough. Callers at the same time wait for the same. */
  wait(signal: AbortSignal): Promise<StopGateReport> {
    this.run ??= this.pass(signal).finally(() => {
      this.run = null;
      this.sinceMs = null;
      this.risks = [];
    });
    return this.run;
  }

  private async pass(signal: AbortSignal): Promise<StopGateReport> {
    const { clock, limitMs, logger, tell } = this.options;
    const startedAtMs = clock.monotonicMs();
    const waitedMs = (): number => clock.monotonicMs() - startedAtMs;
    this.sinceMs = startedAtMs;
    this.state = "waiting";
    for (let loggedAtMs = Number.NEGATIVE_INFINITY; ; ) {
      tell("waiting");
      await delay(clock, LOOK_MS, signal).catch(() => {}); // G2
      const problem = await this.look().catch((error: unknown) => toVarveError(error).message); // G1
      const safe = problem === null && this.risks.length === 0;
      if (safe || signal.aborted || waitedMs() >= limitMs) return this.open(safe, waitedMs(), problem);
      if (clock.monotonicMs() - loggedAtMs < LOG_MS) continue;
      loggedAtMs = clock.monotonicMs();
      logger.warn(
        { waitedMs: waitedMs(), limitMs, waitsFor: this.reasons(problem) },
        "the stop gate waits: partitions would lose their quorum if this broker stopped now",
      );
    }
  }

  private open(safe: boolean, waitedMs: number, problem: string | null): StopGateReport {
    const report = { safe, waitedMs: Math.round(waitedMs), waitsFor: this.reasons(problem) };
    if (safe) this.options.logger.info(report, "the stop gate is open: no partition loses its quorum");
    else this.options.logger.warn(report, "the stop gate gives up waiting: partitions lose their quorum for a while");
    this.leave();
    return report;
  }

  /** Takes a look at every group here; why others could not be asked, if that matters. Who is not known to stay counts as gone. */
  private async look(): Promise<string | null> {
    const { self, groups, gather, others } = this.options;
    const here = groups();
    let problem: string | null = null;
    let answers: readonly BrokerStatus[] = [];
    try {
      const asked = here.map(({ groupId }) => groupId);
      if (asked.length > 0) answers = await gather(asked, ANSWER_MS);
    } catch (error) {
      problem = toVarveError(error).message;
    }
    const statuses = newestStatuses(answers);
    this.risks = here.flatMap((group) => {
      const status = statuses.get(group.groupId);
      const following = status === undefined ? null : (status.following ?? status.inSync);
      return stopRisk({ ...group, following }, { ...others, self }) ?? [];
    });
    return this.risks.length === 0 ? null : problem;
  }

  private reasons(problem: string | null): string[] {
    if (problem !== null) return [problem];
    const named = this.risks.slice(0, NAMED_MAX);
    const rest = this.risks.length - named.length;
    const texts = named.map(
      ({ name, staying, needed }) => `${name} would have ${staying} of the ${needed} voters that it needs`,
    );
    return rest > 0 ? [...texts, `${rest} more`] : texts;
  }
}
