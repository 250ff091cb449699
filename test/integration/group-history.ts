/**
 * group-history.ts: the proof that a group's workers skipped nothing, kept the order of keys and repeated no more than they may.
 *
 * Invariants (what `prove` shows):
 *   W1  every record that was acknowledged to its producer was finished by some worker
 *   W2  under one assignment records lie at or above its start, each is begun once, and those of one key in the order of their offsets
 *   W3  over all workers, the first completions of one key's records are in the order of their offsets
 *   W4  an assignment starts at or above what was seen committed before, and at or below the first record that nobody had finished
 *   W5  a partition is begun by a worker only after the last word of the one before about it, but for a worker that lost it (which says so)
 */
import { expect } from "vitest";
import type { GroupLoad } from "./group-load.js";
import type { BegunPartition, HandledRecord, Report } from "./group-report.js";
import type { GroupWorker } from "./group-workers.js";

/** What the group had stored at a moment; by partition. */
export interface SeenCommitted {
  readonly atMs: number;
  readonly offsets: ReadonlyMap<number, number>;
}

export interface Proof {
  readonly records: number;
  /** Completions beyond the first of their record. */
  readonly redelivered: number;
  readonly assignments: number;
  /** Times that a worker said that it had lost partitions. */
  readonly losses: number;
}

/** Violations that the failure's message shows. */
const SHOWN_MAX = 20;

type Said = Report & { readonly worker: GroupWorker };

/** @throws an assertion that names what was broken. */
export function prove(
  workers: readonly GroupWorker[],
  load: Pick<GroupLoad, "acked">,
  committed: readonly SeenCommitted[] = [],
): Proof {
  const said = inOrder(workers);
  const violations = [
    ...skipped(said, load),
    ...workers.flatMap(outOfPlace),
    ...outOfOrder(said),
    ...wrongStarts(said, committed),
    ...sharedOwners(said),
  ];
  expect(violations, violations.slice(0, SHOWN_MAX).join("\n")).toEqual([]);
  const done = said.filter(({ type }) => type === "done").length;
  const records = firstDone(said).size;
  return {
    records,
    redelivered: done - records,
    assignments: said.reduce((sum, report) => sum + (report.type === "assigned" ? report.partitions.length : 0), 0),
    losses: said.filter(({ type }) => type === "lost").length,
  };
}

function inOrder(workers: readonly GroupWorker[]): Said[] {
  const said = workers.flatMap((worker) => worker.reports.map((report): Said => ({ ...report, worker })));
  return said.sort((left, right) => left.atMs - right.atMs);
}

function firstDone(said: readonly Said[]): Map<string, number> {
  const first = new Map<string, number>();
  for (const report of said)
    if (report.type === "done" && !first.has(nameOf(report))) first.set(nameOf(report), report.atMs);
  return first;
}

/** W1. */
function skipped(said: readonly Said[], { acked }: Pick<GroupLoad, "acked">): string[] {
  const done = firstDone(said);
  const lost: string[] = [];
  for (const [partition, offsets] of acked.entries())
    for (const offset of offsets)
      if (!done.has(nameOf({ partition, offset }))) lost.push(`W1: nobody finished ${nameOf({ partition, offset })}`);
  return lost;
}

/** W2, of one worker. */
function outOfPlace(worker: GroupWorker): string[] {
  const violations: string[] = [];
  const assigned = new Map<number, BegunPartition>();
  const lastOfKey = new Map<string, number>();
  for (const report of worker.reports) {
    if (report.type === "assigned") {
      for (const begun of report.partitions) {
        assigned.set(begun.partition, begun);
        for (const lane of lastOfKey.keys()) if (lane.startsWith(`${begun.partition}/`)) lastOfKey.delete(lane);
      }
    } else if (report.type === "started") {
      const { partition, offset, key } = report;
      const start = assigned.get(partition)?.startOffset ?? Number.POSITIVE_INFINITY;
      const lane = `${partition}/${key}`;
      const last = lastOfKey.get(lane) ?? -1;
      const where = `${nameOf(report)} by ${worker.name}`;
      if (offset < start) violations.push(`W2: ${where} lies below the start of its assignment, ${start}`);
      if (offset <= last) violations.push(`W2: ${where} was begun after ${last} of the same key`);
      lastOfKey.set(lane, offset);
    }
  }
  return violations;
}

/** W3. */
function outOfOrder(said: readonly Said[]): string[] {
  const violations: string[] = [];
  const newest = new Map<string, number>();
  const seen = new Set<string>();
  for (const report of said) {
    if (report.type !== "done" || seen.has(nameOf(report))) continue;
    seen.add(nameOf(report));
    const lane = `${report.partition}/${report.key}`;
    const before = newest.get(lane) ?? -1;
    if (report.offset < before)
      violations.push(`W3: ${nameOf(report)} was first finished after ${before} of the same key`);
    newest.set(lane, Math.max(before, report.offset));
  }
  return violations;
}

/** W4. */
function wrongStarts(said: readonly Said[], committed: readonly SeenCommitted[]): string[] {
  const violations: string[] = [];
  const done = new Map<number, Set<number>>();
  const nextUndone = new Map<number, number>();
  let at = 0;
  const floor = new Map<number, number>();
  for (const report of said) {
    if (report.type === "done") note(report);
    if (report.type !== "assigned") continue;
    for (let seen = committed[at]; seen !== undefined && seen.atMs < report.atMs; seen = committed[++at])
      for (const [partition, offset] of seen.offsets) floor.set(partition, Math.max(floor.get(partition) ?? 0, offset));
    for (const { partition, startOffset } of report.partitions) {
      const where = `${report.worker.name} began ${partition} at ${startOffset}`;
      const least = floor.get(partition) ?? 0;
      if (startOffset < least) violations.push(`W4: ${where}, but ${least} was committed`);
      const most = nextUndone.get(partition) ?? 0;
      if (startOffset > most) violations.push(`W4: ${where}, but nobody had finished ${most}`);
    }
  }
  return violations;

  function note({ partition, offset }: HandledRecord): void {
    const offsets = done.get(partition) ?? new Set<number>();
    done.set(partition, offsets.add(offset));
    let next = nextUndone.get(partition) ?? 0;
    while (offsets.has(next)) next++;
    nextUndone.set(partition, next);
  }
}

/** W5. */
function sharedOwners(said: readonly Said[]): string[] {
  const violations: string[] = [];
  const owners = new Map<number, GroupWorker>();
  for (const report of said) {
    if (report.type === "assigned") for (const { partition } of report.partitions) owners.set(partition, report.worker);
    if (report.type !== "started" || owners.get(report.partition) === report.worker) continue;
    const { partition, worker, atMs } = report;
    const lostLater = worker.reports.some(
      (each) => each.type === "lost" && each.partitions.includes(partition) && each.atMs >= atMs,
    );
    if (!lostLater)
      violations.push(`W5: ${worker.name} began ${nameOf(report)}, which ${owners.get(partition)?.name} owns`);
  }
  return violations;
}

/**
 * The longest time between two completions in any of these partitions, from one moment to another: how long a part of the group stood
 * still while records came all the time.
 */
export function longestPauseMs(
  workers: readonly GroupWorker[],
  fromMs: number,
  toMs: number,
  partitions: readonly number[],
): number {
  const last = new Map(partitions.map((partition) => [partition, fromMs]));
  let longestMs = 0;
  for (const report of inOrder(workers)) {
    if (report.type !== "done" || report.atMs < fromMs || report.atMs > toMs) continue;
    const before = last.get(report.partition);
    if (before === undefined) continue;
    longestMs = Math.max(longestMs, report.atMs - before);
    last.set(report.partition, report.atMs);
  }
  return Math.max(longestMs, ...[...last.values()].map((atMs) => toMs - atMs));
}

function nameOf({ partition, offset }: { readonly partition: number; readonly offset: number }): string {
  return `${partition}@${offset}`;
}
