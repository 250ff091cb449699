/**
 * work-queue.ts: which record goes into work next: several at once, but of one lane (one key, or a partition's records without key) one
 * after another.
 *
 * Invariants:
 *   Q1  at most `concurrency` items are in work; an item that waits for its next attempt is not counted
 *   Q2  items of one lane are started in the order in which they were added; the next one only after the one before is done
 *   Q3  a lane stays occupied by an item in work although its partition was dropped, until that item is done
 *   Q4  nothing of a paused partition is started; what is in work goes on
 * Bound: the owner adds no more than it wants to hold; see `waiting`.
 */
import { assert, assertDefined } from "@varve/base";

/** Something to do. `lane` must be of one partition. */
export interface WorkItem {
  readonly lane: string;
  /** Names the partition. */
  readonly partition: string;
}

interface Lane<T> {
  readonly partition: string;
  /** Not started yet; those before `head` are gone. */
  items: T[];
  head: number;
  /** In work, or between two attempts. */
  occupant: T | null;
  /** Whether it stands in `ready`. */
  isListed: boolean;
}

export class WorkQueue<T extends WorkItem> {
  private readonly concurrency: number;
  private readonly lanes = new Map<string, Lane<T>>();
  /** Lanes that may have something to start, oldest first. */
  private readonly ready = new Set<Lane<T>>();
  private readonly pausedPartitions = new Set<string>();
  /** Lanes of paused partitions that would be in `ready`. */
  private readonly held = new Map<string, Set<Lane<T>>>();
  private readonly resting = new Set<T>();
  private running = 0;
  private count = 0;

  constructor(concurrency: number) {
    this.concurrency = concurrency;
  }

  /** Items in work. */
  get inWork(): number {
    return this.running;
  }

  /** Items that were not started yet. */
  get waiting(): number {
    return this.count;
  }

  add(item: T): void {
    let lane = this.lanes.get(item.lane);
    if (lane === undefined) {
      lane = { partition: item.partition, items: [], head: 0, occupant: null, isListed: false };
      this.lanes.set(item.lane, lane);
    }
    assert(lane.partition === item.partition, "a lane is of one partition");
    lane.items.push(item);
    this.count++;
    this.list(lane);
  }

  /** Starts an item, or null: none may be started now. */
  next(): T | null {
    if (this.running >= this.concurrency) return null;
    for (const lane of this.ready) {
      this.ready.delete(lane);
      lane.isListed = false;
      if (this.pausedPartitions.has(lane.partition)) {
        this.hold(lane);
        continue;
      }
      const item = assertDefined(lane.items[lane.head], "a listed lane has an item");
      lane.head++;
      if (lane.head * 2 >= lane.items.length) {
        lane.items = lane.items.slice(lane.head);
        lane.head = 0;
      }
      lane.occupant = item;
      this.count--;
      this.running++;
      return item;
    }
    return null;
  }

  /** The item is through, or given up: its lane goes on. */
  done(item: T): void {
    const lane = this.laneOf(item);
    if (!this.resting.delete(item)) this.running--;
    lane.occupant = null;
    this.list(lane);
    this.forgetIdle(item.lane, lane);
  }

  /** The item waits for its next attempt: its lane stays occupied, its place among the items in work is free. */
  rest(item: T): void {
    this.laneOf(item);
    this.resting.add(item);
    this.running--;
  }

  /** Takes an item that rested into work again; false: no place is free, or its partition is paused. */
  wake(item: T): boolean {
    assert(this.resting.has(item), "only what rests can be woken");
    if (this.running >= this.concurrency || this.pausedPartitions.has(item.partition)) return false;
    this.resting.delete(item);
    this.running++;
    return true;
  }

  pause(partition: string): void {
    this.pausedPartitions.add(partition);
  }

  resume(partition: string): void {
    this.pausedPartitions.delete(partition);
    const lanes = this.held.get(partition) ?? [];
    this.held.delete(partition);
    for (const lane of lanes) this.list(lane);
  }

  /** Forgets what was not started of a partition (Q3). */
  drop(partition: string): void {
    this.held.delete(partition);
    for (const [name, lane] of this.lanes) {
      if (lane.partition !== partition) continue;
      this.count -= lane.items.length - lane.head;
      lane.items = [];
      lane.head = 0;
      this.ready.delete(lane);
      lane.isListed = false;
      this.forgetIdle(name, lane);
    }
  }

  private laneOf(item: T): Lane<T> {
    const lane = this.lanes.get(item.lane);
    assert(lane?.occupant === item, "only what is in work can be done");
    return lane;
  }

  private list(lane: Lane<T>): void {
    if (lane.occupant !== null || lane.items.length === lane.head || lane.isListed) return;
    if (this.held.get(lane.partition)?.has(lane) === true) return;
    lane.isListed = true;
    this.ready.add(lane);
  }

  private hold(lane: Lane<T>): void {
    const lanes = this.held.get(lane.partition) ?? new Set();
    this.held.set(lane.partition, lanes.add(lane));
  }

  private forgetIdle(name: string, lane: Lane<T>): void {
    if (lane.occupant === null && lane.items.length === lane.head) this.lanes.delete(name);
  }
}
