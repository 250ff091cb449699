/**
 * group-check.ts: judges what the members of a group did, from what each of them said. Pure: times come with the reports.
 *
 * Checked, each counted by itself; reports of one worker come in their order, those of several in any:
 *   R1  every record of the log was finished by some worker (unread = 0), and nothing was handed out that is not in the log (strayed = 0)
 *   R2  under one assignment the records of a key are handed out one after another, each once, in the order of their offsets
 *       (disorderedInGroup = 0)
 *   R3  a worker is handed only records of partitions that it holds, from where its assignment begins (outsideAssignment = 0), and no two
 *       workers hold one assignment (sharedAssignments = 0)
 * A record that is handed out again, since its worker died before it was committed, is no fault: it is `redelivered`, and is in the log once.
 */
import { assert, assertDefined } from "@varve/base";
import type { BegunPartition, HandedReport, WorkerReport } from "./worker-report.js";

/** What the group did; times in ms. */
export interface GroupFigures {
  /** Records of the log that a worker finished while they were produced. */
  readonly readMeanwhile: number;
  /** Records of the log that no worker finished. */
  readonly unread: number;
  /** Records handed to a handler more than once. */
  readonly redelivered: number;
  readonly strayed: number;
  readonly disorderedInGroup: number;
  readonly outsideAssignment: number;
  readonly sharedAssignments: number;
  /** Partitions of the killed worker when it died. */
  readonly killedWorkerPartitions: number;
  /** Records of these that others were handed after the kill. */
  readonly takenOver: number;
  /** From the kill to the first such record of a partition: the longest of these partitions; null when there is none. */
  readonly processingGapMs: number | null;
  /** Records that the others were handed between the kill and the first such record. */
  readonly readDuringGap: number;
  /** Times that the group took a worker for dead which was not. */
  readonly losses: number;
}

/** Last record of a key under one assignment. */
interface LaneState {
  offset: number;
  isFinished: boolean;
}

interface Assignment {
  readonly startOffset: number;
  readonly lanes: Map<string, LaneState>;
}

interface HandedRecord {
  readonly partition: number;
  readonly offset: number;
  /** null: a record without key has no order to keep. */
  readonly lane: LaneState | null;
}

interface WorkerState {
  readonly held: Map<number, Assignment>;
  /** By handing. */
  readonly inWork: Map<number, HandedRecord>;
  handed: number;
}

interface PartitionState {
  /** How often each offset was handed out. */
  readonly handings: number[];
  /** Offsets that were finished; others are absent. */
  readonly finished: Set<number>;
  /** By the epoch of each assignment: whose it is. */
  readonly owners: Map<number, string>;
  takenOver: number;
  takenOverAtMs: number;
}

export class GroupCheck {
  private readonly workers = new Map<string, WorkerState>();
  private readonly partitions = new Map<number, PartitionState>();
  private kill: { readonly worker: string; readonly atMs: number } | null = null;
  private isTakenOver = false;
  private readDuringGap = 0;
  private disorderedInGroup = 0;
  private outsideAssignment = 0;
  private sharedAssignments = 0;
  private losses = 0;
  /** Different records that were finished so far. */
  finished = 0;

  /** Takes the next thing that this worker said. */
  add(worker: string, report: WorkerReport): void {
    const state = this.workerState(worker);
    switch (report.type) {
      case "assigned":
        for (const begun of report.partitions) this.begin(worker, state, begun);
        break;
      case "lost":
        this.losses += 1;
        for (const partition of report.partitions) state.held.delete(partition);
        break;
      case "revoked":
        for (const partition of report.partitions) state.held.delete(partition);
        break;
      case "handed":
        this.hand(worker, state, report);
        break;
      case "finished":
        this.finish(state, report.handing);
        break;
    }
  }

  /** Partitions that this worker holds, as it has said so far. */
  heldBy(worker: string): number[] {
    return [...(this.workers.get(worker)?.held.keys() ?? [])].sort((a, b) => a - b);
  }

  /** The worker that was handed most records so far; the first of several. */
  busiest(): string {
    const ordered = [...this.workers].sort(([, a], [, b]) => b.handed - a.handed);
    return assertDefined(ordered[0], "a group has workers")[0];
  }

  killed(worker: string, atMs: number): void {
    assert(this.kill === null, "one kill per run");
    this.kill = { worker, atMs };
  }

  /** After the last report. @param ends by partition: the offset after the last one of the log. */
  figures(ends: readonly number[]): GroupFigures {
    const inLog = ends.reduce((sum, end) => sum + end, 0);
    const states = [...this.partitions].map(([partition, state]) => ({ state, end: ends[partition] ?? 0 }));
    const readMeanwhile = sumOf(states, ({ state, end }) => countOf(state.finished, (offset) => offset < end));
    const orphans = this.kill === null ? [] : this.heldBy(this.kill.worker).map((each) => this.partitionState(each));
    return {
      readMeanwhile,
      unread: inLog - readMeanwhile,
      redelivered: sumOf(states, ({ state }) => countOf(state.handings, (times) => times > 1)),
      strayed: sumOf(states, ({ state, end }) => countOf(state.handings.slice(end), (times) => times > 0)),
      disorderedInGroup: this.disorderedInGroup,
      outsideAssignment: this.outsideAssignment,
      sharedAssignments: this.sharedAssignments,
      killedWorkerPartitions: orphans.length,
      takenOver: sumOf(orphans, ({ takenOver }) => takenOver),
      processingGapMs: this.longestGapMs(orphans),
      readDuringGap: this.readDuringGap,
      losses: this.losses,
    };
  }

  private begin(worker: string, state: WorkerState, { partition, epoch, startOffset }: BegunPartition): void {
    state.held.set(partition, { startOffset, lanes: new Map() });
    const { owners } = this.partitionState(partition);
    if ((owners.get(epoch) ?? worker) !== worker) this.sharedAssignments += 1; // R3
    owners.set(epoch, worker);
  }

  private hand(worker: string, state: WorkerState, report: HandedReport): void {
    const { partition, offset, handing } = report;
    const { handings } = this.partitionState(partition);
    while (handings.length <= offset) handings.push(0);
    handings[offset] = (handings[offset] ?? 0) + 1;
    state.handed += 1;
    this.noteAfterKill(worker, report);
    const assignment = state.held.get(partition);
    const isInside = assignment !== undefined && offset >= assignment.startOffset;
    if (!isInside) this.outsideAssignment += 1; // R3
    const lane = assignment === undefined ? null : this.enterLane(assignment, report);
    state.inWork.set(handing, { partition, offset, lane });
  }

  /** R2. */
  private enterLane({ lanes }: Assignment, { key, offset }: HandedReport): LaneState | null {
    if (key === null) return null;
    const last = lanes.get(key);
    if (last !== undefined && (offset <= last.offset || !last.isFinished)) this.disorderedInGroup += 1;
    const lane = { offset, isFinished: false };
    lanes.set(key, lane);
    return lane;
  }

  private finish(state: WorkerState, handing: number): void {
    const { partition, offset, lane } = assertDefined(state.inWork.get(handing), "what is finished was handed out");
    state.inWork.delete(handing);
    if (lane !== null) lane.isFinished = true;
    const { finished } = this.partitionState(partition);
    if (finished.has(offset)) return;
    finished.add(offset);
    this.finished += 1;
  }

  private noteAfterKill(worker: string, { partition, atMs }: HandedReport): void {
    if (this.kill === null || worker === this.kill.worker || atMs < this.kill.atMs) return;
    const state = this.partitionState(partition);
    state.takenOver += 1;
    state.takenOverAtMs = Math.min(state.takenOverAtMs, atMs);
    // What the dead one held is known by now: it said no more, and the group waits for it longer than for its last words.
    if (this.workers.get(this.kill.worker)?.held.has(partition) === true) this.isTakenOver = true;
    if (!this.isTakenOver) this.readDuringGap += 1;
  }

  private longestGapMs(orphans: readonly PartitionState[]): number | null {
    const { kill } = this;
    if (kill === null) return null;
    const gaps = orphans.filter(({ takenOver }) => takenOver > 0).map(({ takenOverAtMs }) => takenOverAtMs - kill.atMs);
    return gaps.length === 0 ? null : Math.round(Math.max(...gaps));
  }

  private workerState(worker: string): WorkerState {
    const state = this.workers.get(worker) ?? { held: new Map(), inWork: new Map(), handed: 0 };
    this.workers.set(worker, state);
    return state;
  }

  private partitionState(partition: number): PartitionState {
    const fresh = { handings: [], finished: new Set<number>(), owners: new Map<number, string>() };
    const none = { takenOver: 0, takenOverAtMs: Number.POSITIVE_INFINITY };
    const state = this.partitions.get(partition) ?? { ...fresh, ...none };
    this.partitions.set(partition, state);
    return state;
  }
}

/** Whether the group did what the quickstart claims, and there was something to take over. */
export function isGroupProof(figures: GroupFigures): boolean {
  const { unread, strayed, disorderedInGroup, outsideAssignment, sharedAssignments, takenOver } = figures;
  return unread + strayed + disorderedInGroup + outsideAssignment + sharedAssignments === 0 && takenOver > 0;
}

function sumOf<Item>(items: readonly Item[], numberOf: (item: Item) => number): number {
  return items.reduce((sum, item) => sum + numberOf(item), 0);
}

function countOf(items: Iterable<number>, holds: (item: number) => boolean): number {
  let count = 0;
  for (const item of items) if (holds(item)) count += 1;
  return count;
}
