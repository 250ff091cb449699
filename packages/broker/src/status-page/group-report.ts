/**
 * group-report.ts: the consumer groups that a broker coordinates, with what lies before each of their readers.
 *
 * Invariants:
 *   G1  every group up to `groupsMax` is in the report; members and partitions are, group by group, until their limits are used up
 *   G2  a lag is told of a partition whose leader answered, and counted in `lagUnknown` otherwise
 */
import type { BrokerId, Term, TopicId } from "@varve/base";
import type { CommittedOffset, GroupDescription, MemberView } from "@varve/groups";
import { type NamedPlace, type ReaderPlace, readerPlaces } from "../groups/reader-places.js";
import { type GroupPartitionRow, type GroupReport, type MemberRow, STATUS_LIMITS } from "./status.js";

/** A group with what it has committed. */
export interface GroupFacts extends GroupDescription {
  readonly offsets: readonly CommittedOffset[];
  readonly coordinatorEpoch: Term;
}

/** What lies before a reader, as the partition's leader says. */
export interface ReaderBacklog {
  readonly records: number;
  /** When the next unread record was appended, milliseconds since 1970; null: all are read. */
  readonly appendTimeMs: number | null;
}

/** Where the groups come from. */
export interface GroupSource {
  /** Groups that this broker coordinates, as applied here, by name, at most `max`, and how many there are. Cheap: asks nobody. */
  coordinated(max: number): { readonly groups: readonly GroupFacts[]; readonly total: number };
  /** Asks the leaders, in a bounded time; null where one does not answer. One answer for each place. */
  backlogs(places: readonly ReaderPlace[]): Promise<readonly (ReaderBacklog | null)[]>;
  /** null: no longer there. */
  topicName(topicId: TopicId): string | null;
  /** The cluster's time, milliseconds since 1970. */
  nowMs(): number;
}

export async function groupReports(
  coordinator: BrokerId,
  source: GroupSource,
): Promise<{ readonly groups: readonly GroupReport[]; readonly omitted: number }> {
  const { groups, total } = source.coordinated(STATUS_LIMITS.groupsMax);
  let membersLeft: number = STATUS_LIMITS.membersMax;
  let placesLeft: number = STATUS_LIMITS.offsetsMax;
  const shown = groups.map((group) => {
    const places = readerPlaces(group, (topicId) => source.topicName(topicId) ?? topicId);
    const part = { group, placeCount: places.length, members: membersLeft, places: places.slice(0, placesLeft) };
    membersLeft = Math.max(0, membersLeft - group.members.length);
    placesLeft -= part.places.length;
    return part;
  });
  const backlogs = await source.backlogs(shown.flatMap(({ places }) => places));
  const nowMs = source.nowMs();
  let at = 0;
  const reports = shown.map(({ group, placeCount, members, places }): GroupReport => {
    const owners = ownersOf(group.members);
    const rows = places.map((place) => partitionRow(place, backlogs[at++] ?? null, owners, nowMs));
    return {
      group: group.group,
      state: group.state,
      coordinator,
      coordinatorEpoch: group.coordinatorEpoch,
      memberCount: group.memberCount,
      members: group.members.slice(0, members).map((member) => memberRow(member, source)),
      partitionCount: placeCount,
      partitions: rows,
      ...lagOf(rows, placeCount),
    };
  });
  return { groups: reports, omitted: total - groups.length };
}

function partitionRow(
  { topic, topicId, partition, from }: NamedPlace,
  backlog: ReaderBacklog | null,
  owners: ReadonlyMap<string, string>,
  nowMs: number,
): GroupPartitionRow {
  const lag =
    backlog === null
      ? { lagRecords: null, lagMs: null }
      : {
          lagRecords: backlog.records,
          lagMs: backlog.appendTimeMs === null ? 0 : Math.round(Math.max(0, nowMs - backlog.appendTimeMs)),
        };
  return { topic, partition, committed: from, ...lag, memberId: owners.get(`${topicId}/${partition}`) ?? null };
}

function ownersOf(members: readonly MemberView[]): Map<string, string> {
  const owners = new Map<string, string>();
  for (const { memberId, assigned } of members)
    for (const { topicId, partitions } of assigned)
      for (const partition of partitions) owners.set(`${topicId}/${partition}`, memberId);
  return owners;
}

function memberRow({ memberId, staticId, clientId, host, away, assigned }: MemberView, source: GroupSource): MemberRow {
  return {
    memberId,
    staticId,
    clientId,
    host,
    away,
    assigned: assigned
      .map(({ topicId, partitions }) => ({ topic: source.topicName(topicId) ?? topicId, partitions }))
      .sort((left, right) => compare(left.topic, right.topic)),
  };
}

function lagOf(
  rows: readonly GroupPartitionRow[],
  placeCount: number,
): Pick<GroupReport, "lagRecords" | "lagMs" | "lagUnknown"> {
  const known = rows.filter(({ lagRecords }) => lagRecords !== null);
  const lagUnknown = placeCount - known.length;
  if (known.length === 0 && placeCount > 0) return { lagRecords: null, lagMs: null, lagUnknown };
  return {
    lagRecords: known.reduce((sum, row) => sum + (row.lagRecords ?? 0), 0),
    lagMs: known.reduce((largest, row) => Math.max(largest, row.lagMs ?? 0), 0),
    lagUnknown,
  };
}

function compare(left: string, right: string): number {
  return left === right ? 0 : left < right ? -1 : 1;
}
