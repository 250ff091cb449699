/** report.ts: the figures of a quickstart, and whether they prove anything. */
import { type GroupFigures, isGroupProof } from "./group-check.js";
import type { ProofResult } from "./proof.js";
import { WORKERS } from "./reading-group.js";
import { isProof } from "./replay-check.js";

/** The result as one flat object, for --json and for the lines below. */
export interface Figures extends GroupFigures {
  readonly proven: boolean;
  readonly records: number;
  readonly megabytes: number;
  readonly megabytesPerSecond: number;
  readonly killedBroker: number;
  readonly acknowledgedAtKillRatio: number;
  readonly inFlightAtKill: number;
  readonly failoverGapMs: number | null;
  readonly recordsInLaterEpoch: number;
  readonly killedWorker: string;
  readonly replayed: number;
  readonly duplicates: number;
  readonly lost: number;
  readonly altered: number;
  readonly invented: number;
  readonly disordered: number;
  readonly offsetGaps: number;
  readonly filesRebuilt: number | null;
  readonly files: number;
  readonly filesBroken: readonly string[];
  readonly inputChanged: readonly string[];
}

export function figuresOf({
  sent,
  failover,
  killedBroker,
  killedWorker,
  group,
  verdict,
  inputChanged,
}: ProofResult): Figures {
  const megabytes = sent.window.acknowledgedBytes / 1e6;
  const { records: replayed, ends: _, ...found } = verdict;
  return {
    // Without a record in a later epoch nothing was shown about a failover.
    proven: isProof(verdict) && isGroupProof(group) && failover.recordsInLaterEpoch > 0,
    records: sent.window.acknowledged,
    megabytes,
    megabytesPerSecond: megabytes / (sent.tookMs / 1_000),
    killedBroker,
    acknowledgedAtKillRatio: sent.ratioAtKill,
    inFlightAtKill: sent.inFlightAtKill,
    failoverGapMs: failover.gapMs,
    recordsInLaterEpoch: failover.recordsInLaterEpoch,
    killedWorker,
    ...group,
    replayed,
    ...found,
    inputChanged,
  };
}

type Row = readonly [name: string, value: string];

/** A line per figure. */
export function reportText(figures: Figures): string {
  const { files, filesRebuilt, filesBroken, inputChanged } = figures;
  const rows: Row[] = [
    ["records", `${figures.records}`],
    ["MB", figures.megabytes.toFixed(2)],
    ["MB/s", `${figures.megabytesPerSecond.toFixed(2)} (paced)`],
    [
      "killed",
      `broker ${figures.killedBroker} at ${Math.round(100 * figures.acknowledgedAtKillRatio)} % acknowledged, records in flight: ${figures.inFlightAtKill}`,
    ],
    ["failover gap", figures.failoverGapMs === null ? "none seen" : `${figures.failoverGapMs} ms`],
    ["acknowledged in a later epoch", `${figures.recordsInLaterEpoch}`],
    ...groupRows(figures),
    ["replayed", `${figures.replayed}`],
    ["duplicates in the log", `${figures.duplicates}`],
    ["lost", `${figures.lost}`],
    ["altered", `${figures.altered}`],
    ["not from the input", `${figures.invented}`],
    ["out of order within a key", `${figures.disordered}`],
    ["gaps between offsets", `${figures.offsetGaps}`],
  ];
  if (filesRebuilt !== null) rows.push(["files rebuilt byte for byte", `${filesRebuilt} of ${files}`]);
  if (filesBroken.length > 0) rows.push(["files that differ", filesBroken.join(" ")]);
  if (inputChanged.length > 0) rows.push(["changed during the run", inputChanged.join(" ")]);
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join("");
}

function groupRows(figures: Figures): Row[] {
  const { killedWorker, killedWorkerPartitions, processingGapMs, readDuringGap } = figures;
  const gap = processingGapMs === null ? "none seen" : `${processingGapMs} ms`;
  const rows: Row[] = [
    ["read meanwhile", `${figures.readMeanwhile} (by a group of ${WORKERS} processes)`],
    ["read by nobody", `${figures.unread}`],
    ["killed with the broker", `${killedWorker} of the group, which had ${killedWorkerPartitions} partitions`],
    ["gap in processing these", `${gap}, while the other worker went on with ${readDuringGap} records`],
    ["handled by the other after it", `${figures.takenOver}`],
    ["redelivered to the group", `${figures.redelivered}`],
    ["out of order in the group", `${figures.disorderedInGroup}`],
    ["handed to a wrong worker", `${figures.outsideAssignment + figures.sharedAssignments}`],
  ];
  if (figures.strayed > 0) rows.push(["read, but not in the log", `${figures.strayed}`]);
  if (figures.losses > 0) rows.push(["living workers taken for dead", `${figures.losses} times`]);
  return rows;
}
