/** group-description.ts: what `varve group describe` says: a group with the owner and the lag of each partition, and the lag in all. */
import type { GroupDescription, GroupMemberDetails, GroupPartitionDetails } from "@varve/client";
import { type Cell, facts, table } from "../shell/table.js";

/** One partition, with who works on it. */
export interface PartitionLag extends GroupPartitionDetails {
  /** Id of the member that works on it; null: none. */
  readonly owner: string | null;
}

/** The lag of all partitions whose lag is known. */
export interface TotalLag {
  readonly lagRecords: number;
  /** The longest. */
  readonly lagMs: number;
  /** Partitions whose lag is not known: the figures above leave them out. */
  readonly unknown: number;
}

/** What --json prints. */
export interface GroupWithLag extends Omit<GroupDescription, "offsets"> {
  readonly offsets: readonly PartitionLag[];
  readonly total: TotalLag;
}

/** A cell of the last row that has no meaning there; an empty one would say that something is not known. */
const BLANK = " ";

/** The description with what follows from it. */
export function withLag(description: GroupDescription): GroupWithLag {
  const owners = new Map(
    description.members.flatMap(({ id, assigned }) => assigned.map((each) => [keyOf(each), id] as const)),
  );
  const offsets = description.offsets.map((each) => ({
    ...each,
    owner: owners.get(keyOf(each)) ?? null,
  }));
  const total = {
    lagRecords: offsets.reduce((sum, { lagRecords }) => sum + (lagRecords ?? 0), 0),
    lagMs: Math.max(0, ...offsets.map(({ lagMs }) => lagMs ?? 0)),
    unknown: offsets.filter(({ lagRecords, lagMs }) => lagRecords === null || lagMs === null).length,
  };
  return { ...description, offsets, total };
}

/** The text for people: the group, its members, its partitions, and why some lag is not known. */
export function describeGroupForPeople({ group, state, coordinator, members, offsets, total }: GroupWithLag): string {
  return [
    facts([
      ["group", group],
      ["state", state],
      ["coordinator", `broker ${coordinator}`],
    ]),
    members.length === 0 ? "\nno members\n" : `\n${memberTable(members)}`,
    offsets.length === 0 ? "\nnothing committed\n" : `\n${partitionTable(offsets, total)}`,
    ...offsets.flatMap(({ topic, partition, problem }) =>
      problem === null ? [] : [`lag of ${topic}/${partition} is not known: ${problem}\n`],
    ),
  ].join("");
}

function memberTable(members: readonly GroupMemberDetails[]): string {
  return table(
    ["member", "static id", "client id", "partitions"],
    members.map(({ id, staticId, clientId, assigned }) => [id, staticId, clientId, partitionsText(assigned)]),
  );
}

function partitionTable(offsets: readonly PartitionLag[], total: TotalLag): string {
  const rows = offsets.map(({ topic, partition, committed, highWatermark, lagRecords, lagMs, owner }): Cell[] => [
    topic,
    partition,
    committed,
    highWatermark,
    lagRecords,
    secondsCell(lagMs),
    owner,
  ]);
  const known = total.unknown === offsets.length ? [null, null] : [total.lagRecords, secondsCell(total.lagMs)];
  const heading = total.unknown === 0 ? "total" : "total of known";
  return table(
    ["topic", "partition", "committed", "high watermark", "lag records", "lag seconds", "owner"],
    [...rows, [heading, BLANK, BLANK, BLANK, ...known, BLANK]],
  );
}

/** orders/0-2,5 logs/1 */
export function partitionsText(assigned: GroupMemberDetails["assigned"]): string {
  const byTopic = new Map<string, number[]>();
  for (const { topic, partition } of assigned) byTopic.set(topic, [...(byTopic.get(topic) ?? []), partition]);
  return [...byTopic].map(([topic, partitions]) => `${topic}/${runs(partitions)}`).join(" ");
}

function runs(numbers: readonly number[]): string {
  const found: { readonly first: number; last: number }[] = [];
  for (const number of [...numbers].sort((left, right) => left - right)) {
    const run = found.at(-1);
    if (run !== undefined && number === run.last + 1) run.last = number;
    else found.push({ first: number, last: number });
  }
  return found.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(",");
}

function secondsCell(ms: number | null): Cell {
  return ms === null ? null : { right: (ms / 1_000).toFixed(1) };
}

function keyOf({ topic, partition }: { readonly topic: string; readonly partition: number }): string {
  return `${topic}/${partition}`;
}
