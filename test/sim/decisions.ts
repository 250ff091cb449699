/**
 * decisions.ts: everything that is done to a cluster in one run, drawn before it starts: faults, and operations of clients.
 *
 * A decision says when and of what kind; whom it hits is drawn from its own salt when it is carried out. So one that is taken out of the
 * list does not change what the others draw, and a failing run can be made shorter by leaving decisions out (see shrink.ts).
 */
import { Prng } from "@varve/base/testing";
import type { Plan } from "./plan.js";

/** Faults, each with its share among those drawn. */
const FAULT_SHARES = {
  crash: 6,
  crashAll: 1,
  stop: 3,
  takenPort: 1,
  kill: 3,
  hook: 6,
  pause: 3,
  isolate: 3,
  halves: 2,
  ring: 1,
  bridge: 1,
  oneWay: 3,
  clog: 2,
  slowLink: 2,
  loss: 2,
  duplicate: 1,
  reorder: 2,
  reset: 2,
  callTrouble: 1,
  clockJump: 2,
  slowDisk: 2,
  stallDisk: 1,
  hangDisk: 1,
  lateFlush: 4,
  loseStore: 1,
  failSync: 2,
  fillDisk: 1,
  rot: 2,
  misdirect: 1,
  loseFile: 2,
  failRead: 2,
  wipe: 1,
} as const;

/**
 * Faults that only plans which name them have (test/ci/sim.test.ts), at times of their own that are drawn after all the others: how many of them at
 * most, and until when. So they change nothing in what bare seeds draw.
 */
const APART = {
  breakCalls: { countMax: 4, untilMs: 55_000 },
  lateCommits: { countMax: 3, untilMs: 55_000 },
  snapshotHook: { countMax: 1, untilMs: 3_000 },
} as const;

/** Operations of clients, each with its share. */
const OPERATION_SHARES = {
  produce: 30,
  read: 3,
  offsets: 6,
  fetchCommitted: 4,
  join: 2,
  leave: 2,
  killMember: 2,
  pauseMember: 2,
  seek: 1,
  createTopic: 2,
  deleteTopic: 1,
  alterTopic: 1,
  transfer: 3,
  move: 3,
  drain: 1,
  decommission: 1,
} as const;

type SharedKind = keyof typeof FAULT_SHARES;
type ApartKind = keyof typeof APART;
export type FaultKind = SharedKind | ApartKind;
export type OperationKind = keyof typeof OPERATION_SHARES;
export type DecisionKind = FaultKind | OperationKind;

export const SHARED_KINDS = Object.keys(FAULT_SHARES) as SharedKind[];
export const APART_KINDS = Object.keys(APART) as ApartKind[];
const FAULT_KINDS: readonly FaultKind[] = [...SHARED_KINDS, ...APART_KINDS];
const OPERATION_KINDS = Object.keys(OPERATION_SHARES) as OperationKind[];

/** Faults that need a second broker. */
export const NETWORK_KINDS: ReadonlySet<DecisionKind> = new Set<FaultKind>([
  "isolate",
  "halves",
  "ring",
  "bridge",
  "oneWay",
  "clog",
  "slowLink",
  "loss",
  "duplicate",
  "reorder",
  "reset",
  "lateFlush",
  "rot",
  "misdirect",
  "loseFile",
  "failRead",
  "wipe",
]);

export interface Decision {
  /** From the start of the time of faults. */
  readonly atMs: number;
  readonly kind: DecisionKind;
  /** Seed of all that this decision draws. */
  readonly salt: number;
}

/** How long faults and traffic last. */
export const FAULTS_MS = 56_000;

export function isFault(kind: DecisionKind): kind is FaultKind {
  return kind in FAULT_SHARES || kind in APART;
}

function isShared(kind: DecisionKind): kind is SharedKind {
  return kind in FAULT_SHARES;
}

/** Everything that happens in the time of faults, in order. */
export function drawDecisions(plan: Plan, prng: Prng): Decision[] {
  const faults = plan.faults.filter(isShared);
  const decisions = [
    ...drawTimes(prng, plan.calmMsMax).map((atMs) => draw(atMs, prng, faults, FAULT_SHARES)),
    ...drawTimes(prng, plan.thinkMsMax).map((atMs) => draw(atMs, prng, OPERATION_KINDS, OPERATION_SHARES)),
    ...APART_KINDS.filter((kind) => plan.faults.includes(kind)).flatMap((kind) => drawApart(kind, prng)),
  ];
  return decisions.sort((left, right) => left.atMs - right.atMs);
}

/** A decision as a line that people can read, and `decisionOf` too. */
export function textOf({ atMs, kind, salt }: Decision): string {
  return `${atMs} ${kind} ${salt}`;
}

/** @throws RangeError: that is no decision. */
export function decisionOf(text: string): Decision {
  const [atMs = "", name = "", salt = ""] = text.split(" ");
  const kind = [...FAULT_KINDS, ...OPERATION_KINDS].find((each) => each === name);
  if (kind === undefined || !/^\d+$/.test(atMs) || !/^\d+$/.test(salt)) throw new RangeError(`${text} is no decision`);
  return { atMs: Number(atMs), kind, salt: Number(salt) };
}

/** The generator that a decision draws from. */
export function drawsOf({ salt }: Decision): Prng {
  return new Prng(salt);
}

function drawApart(kind: ApartKind, prng: Prng): Decision[] {
  const { countMax, untilMs } = APART[kind];
  return Array.from({ length: prng.between(1, countMax) }, () => ({
    atMs: prng.between(50, untilMs),
    kind,
    salt: prng.uint32(),
  }));
}

function drawTimes(prng: Prng, gapMsMax: number): number[] {
  const times: number[] = [];
  for (let atMs = prng.between(50, 1_000); atMs < FAULTS_MS; atMs += prng.between(20, gapMsMax)) times.push(atMs);
  return times;
}

function draw<Kind extends DecisionKind>(
  atMs: number,
  prng: Prng,
  kinds: readonly Kind[],
  shares: Readonly<Record<Kind, number>>,
): Decision {
  const sum = kinds.reduce((total, kind) => total + shares[kind], 0);
  let left = prng.between(1, sum);
  const kind = kinds.find((each) => {
    left -= shares[each];
    return left <= 0;
  });
  return { atMs, kind: kind ?? prng.pick(kinds), salt: prng.uint32() };
}
