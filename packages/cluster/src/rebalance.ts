/**
 * rebalance.ts: which replicas and preferred leaderships to move so that brokers hold as many replicas, lead as many partitions and store about as
 * many bytes as each other, with few bytes moved.
 *
 * Steps are taken as long as there is one that helps, in this order of importance:
 *   1. spread: a replica goes where its partition covers more racks, or hosts, or loads the fullest of them less
 *   2. replicas: one goes from a broker to another that has at least two fewer; the smallest, of a topic that the taker has few of
 *   3. bytes: where two brokers differ by more than `bytesTolerance`, a replica moves, or two change places
 *   4. leaders: a preferred leadership goes to a broker with at least two fewer, over others where it must; that moves no bytes
 * Each step makes the sum of the squares of what it is about smaller and leaves what is more important as it was, so the steps end, and where they
 * end there is none to take: a plan that was carried out is followed by an empty one.
 * Invariants, beside those of `rebalance-layout.ts`:
 *   M1  the plan depends on the arguments only
 *   M2  planning again from where a complete plan leads gives an empty plan
 *   M3  brokers to be avoided get and give nothing; fixed partitions stay
 */
import type { BrokerId, GroupId } from "@varve/base";
import { MIB } from "@varve/base";
import type { PlacementBroker } from "./placement.js";
import { Layout, type Load, type Placed, type RebalancePartition } from "./rebalance-layout.js";

export interface RebalanceRequest {
  /** All brokers but those that are being decommissioned. */
  readonly brokers: readonly PlacementBroker[];
  /** Those that are down. */
  readonly avoidBrokers: ReadonlySet<BrokerId>;
  readonly partitions: readonly RebalancePartition[];
  /** Most partitions that one plan changes, give or take those of its last step. */
  readonly movesMax: number;
}

/** What is wanted of one partition. */
export interface RebalanceMove {
  readonly groupId: GroupId;
  readonly from: readonly BrokerId[];
  /** The same brokers in another order: only the preferred leader changes. */
  readonly to: readonly BrokerId[];
  /** What the new replicas copy, all together. */
  readonly bytes: number;
}

export interface RebalancePlan {
  /** By group id. */
  readonly moves: readonly RebalanceMove[];
  /** False: `movesMax` ended it; plan again when it is carried out. */
  readonly isComplete: boolean;
}

/** Brokers whose bytes differ by less than this share of the average are even enough: records come and go meanwhile. */
const BYTES_TOLERANCE_RATIO = 0.1;
/** Nothing moves for less. */
const BYTES_TOLERANCE_MIN = 64 * MIB;
/** A step for the sake of bytes moves at most so many times what it makes two brokers differ less. */
const MOVED_PER_GAIN_MAX = 4;
/** Partners looked at around the best size when two replicas change places. */
const PARTNERS_MAX = 16;

/** A plan ends before its own invariants end it only if they do not hold; then it is not complete. */
const STEPS_PER_PARTITION_MAX = 32;

/** The whole plan at once. */
export function planRebalance(request: RebalanceRequest): RebalancePlan {
  const steps = rebalanceSteps(request);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** The same, pausing after each step, for a caller that has other things to do meanwhile. */
export function* rebalanceSteps(request: RebalanceRequest): Generator<void, RebalancePlan> {
  const layout = new Layout(request.brokers, request.avoidBrokers, request.partitions);
  const kinds = [improveSpread, evenReplicas, evenBytes, evenLeaders];
  let stepsLeft = STEPS_PER_PARTITION_MAX * Math.max(STEPS_PER_PARTITION_MAX, request.partitions.length);
  const isFull = (): boolean => layout.touched.size >= request.movesMax || stepsLeft <= 0;
  for (let took = true; took && !isFull(); ) {
    took = false;
    for (const step of kinds) {
      while (!isFull() && step(layout)) {
        took = true;
        stepsLeft--;
        yield;
      }
      yield;
    }
  }
  return { moves: [...layout.placed].flatMap(moveOf), isComplete: !isFull() };
}

function moveOf({ partition: { groupId, brokers: from, bytes }, brokers: to }: Placed): RebalanceMove[] {
  if (from.every((brokerId, at) => brokerId === to[at])) return [];
  const fresh = to.filter((brokerId) => !from.includes(brokerId)).length;
  return [{ groupId, from, to, bytes: bytes * fresh }];
}

/** How far brokers may differ in bytes before replicas move because of it. */
export function bytesTolerance(loads: readonly { readonly bytes: number }[]): number {
  const average = loads.reduce((sum, { bytes }) => sum + bytes, 0) / Math.max(1, loads.length);
  return Math.max(BYTES_TOLERANCE_MIN, average * BYTES_TOLERANCE_RATIO);
}

function improveSpread(layout: Layout): boolean {
  for (const placed of layout.placed) {
    if (placed.partition.isFixed) continue;
    const now = layout.spreadOf(placed.brokers);
    if (now <= layout.bestSpread(placed.brokers.length)) continue;
    const better = spreadSteps(layout, placed).filter(({ spread }) => spread < now);
    const best = first(
      better,
      (left, right) =>
        left.spread - right.spread ||
        left.to.replicas.size - right.to.replicas.size ||
        right.from.replicas.size - left.from.replicas.size ||
        left.to.broker.brokerId - right.to.broker.brokerId ||
        left.from.broker.brokerId - right.from.broker.brokerId,
    );
    if (best === null) continue;
    layout.move(placed, best.from, best.to);
    return true;
  }
  return false;
}

function spreadSteps(layout: Layout, placed: Placed): { from: Load; to: Load; spread: number }[] {
  const sources = placed.brokers.flatMap((brokerId) => layout.load(brokerId) ?? []);
  const targets = layout.loads.filter(({ replicas }) => !replicas.has(placed));
  return sources.flatMap((from) => targets.map((to) => ({ from, to, spread: layout.spreadAfter(placed, from, to) })));
}

function evenReplicas(layout: Layout): boolean {
  for (const [from, to] of pairs(layout.loads, ({ replicas }) => replicas.size, 1)) {
    const placed = cheapest(layout, from, to, null);
    if (placed === null) continue;
    layout.move(placed, from, to);
    return true;
  }
  // Racks may forbid the direct way: then over one broker between.
  for (const [from, to] of pairs(layout.loads, ({ replicas }) => replicas.size, 1)) {
    for (const between of layout.loads) {
      if (between === from || between === to) continue;
      const firstHalf = cheapest(layout, from, between, null);
      const secondHalf = firstHalf === null ? null : cheapest(layout, between, to, firstHalf);
      if (firstHalf === null || secondHalf === null) continue;
      layout.move(firstHalf, from, between);
      layout.move(secondHalf, between, to);
      return true;
    }
  }
  return false;
}

/** Pairs of brokers of which the first has more than `tolerance` more than the second, those that differ most first. */
function* pairs(
  loads: readonly Load[],
  measure: (load: Load) => number,
  tolerance: number,
): Generator<readonly [from: Load, to: Load]> {
  const falling = [...loads].sort((left, right) => measure(right) - measure(left) || byId(left, right));
  const rising = [...loads].sort((left, right) => measure(left) - measure(right) || byId(left, right));
  for (const from of falling) {
    for (const to of rising) {
      if (measure(from) - measure(to) <= tolerance) break;
      yield [from, to];
    }
  }
}

function byId(left: Load, right: Load): number {
  return left.broker.brokerId - right.broker.brokerId;
}

/** The replica that is cheapest to move: of a small size class, of a topic that the taker lacks most, a follower. */
function cheapest(layout: Layout, from: Load, to: Load, besides: Placed | null): Placed | null {
  const excess = ({ partition: { topicId } }: Placed): number =>
    (from.topics.get(topicId) ?? 0) - (to.topics.get(topicId) ?? 0);
  const compare = (left: Placed, right: Placed): number =>
    sizeClass(left) - sizeClass(right) ||
    excess(right) - excess(left) ||
    left.partition.bytes - right.partition.bytes ||
    Number(from.leads.has(left)) - Number(from.leads.has(right)) ||
    left.partition.groupId - right.partition.groupId;
  let best: Placed | null = null;
  for (const placed of from.replicas) {
    if (placed === besides || (best !== null && compare(placed, best) >= 0)) continue;
    if (layout.mayMove(placed, from, to)) best = placed;
  }
  return best;
}

/** Sizes within a factor of two are alike; all below a mebibyte are. */
function sizeClass({ partition: { bytes } }: Placed): number {
  return Math.max(0, Math.ceil(Math.log2((bytes + 1) / MIB)));
}

interface BytesStep {
  readonly given: Placed;
  readonly taken: Placed | null;
  /** How much less the two brokers differ afterwards. */
  readonly gain: number;
  readonly moved: number;
}

function evenBytes(layout: Layout): boolean {
  const { loads } = layout;
  for (const [from, to] of pairs(loads, ({ bytes }) => bytes, bytesTolerance(loads))) {
    const best = first(
      bytesSteps(layout, from, to),
      (left, right) =>
        right.gain - left.gain ||
        left.moved - right.moved ||
        left.given.partition.groupId - right.given.partition.groupId ||
        (left.taken?.partition.groupId ?? 0) - (right.taken?.partition.groupId ?? 0),
    );
    if (best === null) continue;
    layout.move(best.given, from, to);
    if (best.taken !== null) layout.move(best.taken, to, from);
    return true;
  }
  return false;
}

function bytesSteps(layout: Layout, from: Load, to: Load): BytesStep[] {
  const gap = from.bytes - to.bytes;
  const worth = (step: Omit<BytesStep, "gain">, shifted: number): BytesStep[] => {
    const gain = gap - Math.abs(gap - 2 * shifted);
    return gain > 0 && step.moved <= gain * MOVED_PER_GAIN_MAX ? [{ ...step, gain }] : [];
  };
  const partners = [...to.replicas].filter((taken) => layout.mayMove(taken, to, from)).sort(bySize);
  const mayGiveOneMore = from.replicas.size > to.replicas.size;
  return [...from.replicas].sort(bySize).flatMap((given) => {
    const { bytes } = given.partition;
    if (bytes === 0 || !layout.mayMove(given, from, to)) return [];
    const alone = mayGiveOneMore ? worth({ given, taken: null, moved: bytes }, bytes) : [];
    const near = around(partners, bytes - gap / 2).flatMap((taken) =>
      worth({ given, taken, moved: bytes + taken.partition.bytes }, bytes - taken.partition.bytes),
    );
    return [...alone, ...near];
  });
}

function bySize(left: Placed, right: Placed): number {
  return left.partition.bytes - right.partition.bytes || left.partition.groupId - right.partition.groupId;
}

/** Those of a list sorted by size whose size is nearest to `bytes`. */
function around(sorted: readonly Placed[], bytes: number): readonly Placed[] {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle]?.partition.bytes ?? 0) < bytes) low = middle + 1;
    else high = middle;
  }
  return sorted.slice(Math.max(0, low - PARTNERS_MAX / 2), low + PARTNERS_MAX / 2);
}

/** The shortest way for one leadership from a broker that leads more to one that leads at least two fewer. */
function evenLeaders(layout: Layout): boolean {
  const falling = [...layout.loads].sort((left, right) => right.leads.size - left.leads.size || byId(left, right));
  for (const from of falling) {
    const way = wayOfLeadership(layout, from);
    if (way === null) continue;
    for (const { placed, to } of way) layout.prefer(placed, to);
    return true;
  }
  return false;
}

interface Handover {
  readonly placed: Placed;
  readonly from: Load;
  readonly to: Load;
}

/** Breadth first: each hand-over gives one partition's leadership to another of its replicas. */
function wayOfLeadership(layout: Layout, start: Load): Handover[] | null {
  const reached = new Map<Load, Handover | null>([[start, null]]);
  for (const load of reached.keys()) {
    if (load.leads.size <= start.leads.size - 2) return wayTo(reached, load);
    for (const handover of handovers(layout, load)) if (!reached.has(handover.to)) reached.set(handover.to, handover);
  }
  return null;
}

function handovers(layout: Layout, from: Load): Handover[] {
  return [...from.leads]
    .filter(({ partition }) => !partition.isFixed)
    .sort((left, right) => left.partition.groupId - right.partition.groupId)
    .flatMap((placed) =>
      placed.brokers.slice(1).flatMap((brokerId) => {
        const to = layout.load(brokerId);
        return to === null ? [] : [{ placed, from, to }];
      }),
    );
}

function wayTo(reached: ReadonlyMap<Load, Handover | null>, end: Load): Handover[] {
  const way: Handover[] = [];
  for (let handover = reached.get(end) ?? null; handover !== null; handover = reached.get(handover.from) ?? null)
    way.unshift(handover);
  return way;
}

function first<T>(items: readonly T[], compare: (left: T, right: T) => number): T | null {
  return items.reduce<T | null>((best, item) => (best === null || compare(item, best) < 0 ? item : best), null);
}
