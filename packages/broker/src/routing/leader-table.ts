/**
 * leader-table.ts: who leads which group, as far as this broker has heard; soft state, rebuilt in a second.
 *
 * Leaders announce themselves to every broker when they take over and once a second. A higher term wins, always.
 */
import type { BrokerId, GroupId, Term } from "@varve/base";

export interface LeaderEntry {
  readonly broker: BrokerId;
  readonly term: Term;
}

const BYTES_PER_ENTRY = 16;

export class LeaderTable {
  private readonly leaders = new Map<GroupId, LeaderEntry>();
  private readonly watchers = new Map<GroupId, Set<(entry: LeaderEntry) => void>>();

  get(groupId: GroupId): LeaderEntry | null {
    return this.leaders.get(groupId) ?? null;
  }

  /** Notes a leader unless a later term is known. */
  note(groupId: GroupId, broker: BrokerId, term: Term): void {
    const known = this.leaders.get(groupId);
    if (known !== undefined && known.term > term) return;
    const entry = { broker, term };
    this.leaders.set(groupId, entry);
    for (const heard of [...(this.watchers.get(groupId) ?? [])]) heard(entry);
  }

  /** Calls `heard` with every word about a group's leader that counts, until what this returns is called. */
  watch(groupId: GroupId, heard: (entry: LeaderEntry) => void): () => void {
    const watchers = this.watchers.get(groupId) ?? new Set();
    this.watchers.set(groupId, watchers.add(heard));
    return () => {
      watchers.delete(heard);
      if (watchers.size === 0 && this.watchers.get(groupId) === watchers) this.watchers.delete(groupId);
    };
  }

  /** This broker knows that the leader of that term is gone. */
  drop(groupId: GroupId, term: Term): void {
    const known = this.leaders.get(groupId);
    if (known !== undefined && known.term <= term) this.leaders.delete(groupId);
  }

  /** A broker's process is gone: what it led has no leader for the moment. */
  dropBroker(broker: BrokerId): void {
    for (const [groupId, entry] of this.leaders) if (entry.broker === broker) this.leaders.delete(groupId);
  }

  remove(groupId: GroupId): void {
    this.leaders.delete(groupId);
  }
}

/** What a leader tells every broker: its wall clock and what it leads. */
export interface Announcement {
  readonly wallMs: number;
  readonly entries: readonly { readonly groupId: GroupId; readonly term: Term }[];
}

/** An announcement: the wall clock, then pairs of group and term, all f64 little-endian. */
export function encodeLeaders(wallMs: number, entries: Announcement["entries"]): Uint8Array {
  const bytes = Buffer.allocUnsafe(8 + entries.length * BYTES_PER_ENTRY);
  let at = bytes.writeDoubleLE(wallMs, 0);
  for (const { groupId, term } of entries) {
    at = bytes.writeDoubleLE(groupId, at);
    at = bytes.writeDoubleLE(term, at);
  }
  return bytes;
}

/** Pairs that are not whole numbers are passed over. */
export function decodeLeaders(payload: Uint8Array): Announcement {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const entries: { groupId: GroupId; term: Term }[] = [];
  for (let at = 8; at + BYTES_PER_ENTRY <= bytes.length; at += BYTES_PER_ENTRY) {
    const groupId = bytes.readDoubleLE(at);
    const term = bytes.readDoubleLE(at + 8);
    if (Number.isSafeInteger(groupId) && Number.isSafeInteger(term)) entries.push({ groupId, term });
  }
  return { wallMs: bytes.length >= 8 ? bytes.readDoubleLE(0) : 0, entries };
}
