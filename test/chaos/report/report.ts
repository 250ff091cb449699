/** report.ts: all that a run has to tell, as data; text.ts and html.ts show it. */
import type { Verdict } from "../history/index.js";
import type { Strike } from "../nemesis/nemesis.js";
import type { BrokerMeasures, PartitionMeasures, ResumeMeasures } from "./measures.js";

export interface FaultCount {
  readonly name: string;
  readonly does: string;
  readonly fired: number;
  /** For how long it lasted, all times together. */
  readonly lastedMs: number;
}

export interface OperationCount {
  readonly f: string;
  readonly ok: number;
  /** Refused: not applied, or a read that failed. */
  readonly fail: number;
  /** Nobody knows. */
  readonly info: number;
}

export interface Report {
  readonly command: string;
  readonly seed: number;
  readonly brokers: number;
  readonly dateIso: string;
  readonly loadMs: number;
  readonly events: number;
  readonly operations: readonly OperationCount[];
  readonly faults: readonly FaultCount[];
  /** Kinds that were asked for and cannot be had here, with why. */
  readonly skipped: readonly { readonly name: string; readonly why: string }[];
  /** How the brokers were broken on purpose. */
  readonly broken: readonly { readonly name: string; readonly does: string }[];
  /** Times since the load's start. */
  readonly strikes: readonly Strike[];
  readonly partitions: readonly PartitionMeasures[];
  readonly brokerMeasures: readonly BrokerMeasures[];
  /** null: no leader was killed. */
  readonly resume: ResumeMeasures | null;
  /** Questions for the ends of partitions that brokers answered when they had just woken. */
  readonly wokenAnswers: number;
  /** For how long the machine left a broker or the network without a processor: times in which nobody is held to a time. */
  readonly starvedMs: number;
  readonly verdicts: readonly Verdict[];
  /** What went wrong beside the history. */
  readonly problems: readonly string[];
}

/** Whether every check holds, and nothing else went wrong. */
export function isClean({ verdicts, problems }: Report): boolean {
  return problems.length === 0 && verdicts.length > 0 && verdicts.every(({ valid }) => valid);
}

/** What must be known before anything else of the report is read. */
export function brokenLines({ broken }: Report): string[] {
  return broken.map(
    ({ name, does }) => `these brokers are broken on purpose, and the checks must find it: ${name}: ${does}`,
  );
}

/** What was measured about leaders, in sentences. */
export function leaderLines({ resume, wokenAnswers, starvedMs }: Report): string[] {
  return [
    ...(resume === null
      ? []
      : [
          `after its leader was killed a partition acknowledged again in ${resume.p50Ms} ms (p50), ${resume.p99Ms} ms (p99), ` +
            `${resume.maxMs} ms at most, of ${resume.count} times`,
        ]),
    ...(starvedMs === 0
      ? []
      : [
          `the machine left some process without a processor for ${Math.round(starvedMs / 1_000)} s, which excuses what was slow then`,
        ]),
    ...(wokenAnswers === 0
      ? []
      : [`brokers that had just woken answered ${wokenAnswers} questions for the ends of partitions`]),
  ];
}
