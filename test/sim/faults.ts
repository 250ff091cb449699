/**
 * faults.ts: carries out decisions that are faults, and ends those that last, in time or when all is healed.
 */
import type { Prng, SimClock } from "@varve/base/testing";
import type { Decision, FaultKind } from "./decisions.js";
import { drawsOf } from "./decisions.js";
import type { DiskFaults } from "./disk-faults.js";
import type { Hooks } from "./hooks.js";
import type { Machine } from "./machine.js";
import { between, type Link, type NetworkFaults } from "./network-faults.js";

export interface FaultWorld {
  readonly clock: SimClock;
  readonly machines: readonly Machine[];
  readonly network: NetworkFaults;
  readonly disks: DiskFaults;
  readonly hooks: Hooks;
  readonly leaderBias: number;
  /** A broken variant: a wiped disk comes back as if it still held what it had promised. */
  readonly wipedKeepIdentity: boolean;
  /** Machines that lead something. */
  leaders(): readonly Machine[];
  reset(one: Machine, other: Machine): void;
  /** The cluster is told that a broker's data is lost, and then it comes back without any. */
  replace(machine: Machine): void;
  /** Share of the clients' calls that are refused or lost. */
  setCallTrouble(ratio: number | null): void;
  /** Every call and stream of clients to it breaks. */
  breakCalls(machine: Machine): void;
  /** Share of the commits of members that arrive late, when their member has gone on. */
  setLateCommits(ratio: number | null): void;
  note(what: string): void;
}

const DOWN_MS_MAX = 5_000;
const PAUSE_MS_MAX = 10_000;
const LAST_MS_MAX = 8_000;
const SHORT_MS_MAX = 600;
const STALL_MS_MAX = 6_000;
/** A disk that hangs does so for longer than the longest time after which its process ends. */
const HANG_MS = { least: 15_000, most: 40_000 } as const;
/** Long enough that a leader which is cut off is replaced, and has appended what nobody else has. */
const LATE_CUT_MS = { least: 1_500, most: 3_500 } as const;
const LATE_SYNC_MS = { least: 400, most: 2_000 } as const;
const HOUR_MS = 3_600_000;

export class Faults {
  /** How often each kind had something to strike. */
  readonly counts = new Map<FaultKind, number>();
  private readonly world: FaultWorld;
  private readonly undo = new Set<() => void>();

  constructor(world: FaultWorld) {
    this.world = world;
  }

  get count(): number {
    let sum = 0;
    for (const count of this.counts.values()) sum += count;
    return sum;
  }

  strike(decision: Decision & { readonly kind: FaultKind }): void {
    const { kind } = decision;
    const prng = drawsOf(decision);
    const victim = this.victim(prng);
    this.world.note(`${kind} ${victim.name}`);
    if (this.strikes[kind](victim, prng)) this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
  }

  /** Ends every fault that lasts. */
  heal(): void {
    for (const undo of [...this.undo]) undo();
  }

  /** Each says whether there was anything to strike: a broker that is down cannot die. */
  private readonly strikes: Readonly<Record<FaultKind, (victim: Machine, prng: Prng) => boolean>> = {
    crash: (victim, prng) => this.crash([victim], prng),
    crashAll: (_victim, prng) => this.crash(this.world.machines, prng),
    kill: (victim, prng) => {
      const { isUp } = victim;
      victim.kill();
      this.lasting(prng, DOWN_MS_MAX, () => victim.start());
      return isUp;
    },
    stop: (victim, prng) => {
      const { isUp } = victim;
      victim.stop();
      this.lasting(prng, DOWN_MS_MAX, () => victim.start());
      return isUp;
    },
    takenPort: (victim, prng) => {
      victim.kill();
      victim.isPortTaken = true;
      this.lasting(prng, DOWN_MS_MAX, () => victim.start());
      return true;
    },
    hook: (victim, prng) => {
      this.world.note(`armed: ${this.world.hooks.arm(victim.name, prng)}`);
      return true;
    },
    snapshotHook: (_victim, prng) => {
      this.world.note(`armed: ${this.world.hooks.armSnapshot(prng)}`);
      return true;
    },
    pause: (victim, prng) => {
      const { isUp } = victim;
      victim.pause();
      this.lasting(prng, PAUSE_MS_MAX, () => victim.resume());
      return isUp;
    },
    isolate: (victim, prng) => this.cut(prng, between([victim.name], this.others(victim))),
    halves: (_victim, prng) => this.cut(prng, this.halves(this.names(), prng)),
    // Everybody hears the victim; the others fall into two sides that do not hear each other.
    bridge: (victim, prng) => this.cut(prng, this.halves(this.others(victim), prng)),
    ring: (_victim, prng) => this.cut(prng, this.ring()),
    oneWay: (victim, prng) => {
      const others = this.others(victim);
      const isDeaf = prng.chance(0.5);
      return this.cut(
        prng,
        others.map((other): Link => (isDeaf ? [other, victim.name] : [victim.name, other])),
      );
    },
    clog: (victim, prng) => this.cut(prng, [[victim.name, prng.pick(this.others(victim))]]),
    slowLink: (victim, prng) => {
      const delay = prng.pick([
        { minMs: 1, maxMs: 30 },
        { minMs: 20, maxMs: 300 },
      ]);
      return this.lasting(prng, LAST_MS_MAX, this.world.network.slow(this.links(victim, prng), delay));
    },
    loss: (victim, prng) => this.disturb(victim, prng, { dropRatio: prng.pick([0.02, 0.1, 0.4]) }),
    duplicate: (victim, prng) => this.disturb(victim, prng, { duplicateRatio: prng.pick([0.1, 0.5]), delayMsMax: 50 }),
    reorder: (victim, prng) =>
      this.disturb(victim, prng, { delayRatio: prng.pick([0.1, 0.5]), delayMsMax: prng.pick([5, 100, 1_000]) }),
    reset: (victim, prng) => {
      const others = this.world.machines.filter((machine) => machine !== victim);
      const other = prng.pick(others);
      this.world.reset(victim, other);
      return victim.isUp && other.isUp;
    },
    breakCalls: (victim) => {
      this.world.breakCalls(victim);
      return victim.isUp;
    },
    callTrouble: (_victim, prng) => {
      this.world.setCallTrouble(prng.pick([0.1, 0.4]));
      return this.lasting(prng, LAST_MS_MAX, () => this.world.setCallTrouble(null));
    },
    lateCommits: (_victim, prng) => {
      this.world.setLateCommits(prng.pick([0.3, 1]));
      return this.lasting(prng, LAST_MS_MAX, () => this.world.setLateCommits(null));
    },
    clockJump: (victim, prng) => {
      victim.oscillator.wallOffsetMs += prng.pick([-24 * HOUR_MS, -HOUR_MS, -500, 500, HOUR_MS, 24 * HOUR_MS]);
      return true;
    },
    slowDisk: (victim, prng) => {
      victim.syncSlowdown = prng.pick([10, 50]);
      return this.lasting(prng, LAST_MS_MAX, () => {
        victim.syncSlowdown = 1;
      });
    },
    stallDisk: (victim, prng) => {
      victim.stall(prng.ratio() * STALL_MS_MAX);
      return victim.isUp;
    },
    hangDisk: (victim, prng) => {
      victim.hang(prng.between(HANG_MS.least, HANG_MS.most));
      return victim.isUp;
    },
    // A leader that is cut off goes on appending; a flush of that is under way when its successor replaces what it writes.
    lateFlush: (victim, prng) => {
      const leaders = this.world.leaders();
      const leader = leaders.length > 0 ? prng.pick(leaders) : victim;
      const cutMs = prng.between(LATE_CUT_MS.least, LATE_CUT_MS.most);
      leader.syncMsMin = prng.between(LATE_SYNC_MS.least, LATE_SYNC_MS.most);
      this.until(cutMs, this.world.network.cut(between([leader.name], this.others(leader))));
      this.until(cutMs + LATE_SYNC_MS.most, () => {
        leader.syncMsMin = 0;
      });
      return leaders.length > 0;
    },
    loseStore: (victim, prng) => {
      victim.kill();
      victim.loseStore();
      return this.lasting(prng, DOWN_MS_MAX, () => victim.start());
    },
    failSync: (victim) => this.world.disks.failSync(victim),
    fillDisk: (victim, prng) => this.lasting(prng, LAST_MS_MAX, this.world.disks.fill(victim, prng)),
    rot: (_victim, prng) => this.world.disks.rot(prng),
    misdirect: (_victim, prng) => this.world.disks.misdirect(prng),
    loseFile: (_victim, prng) => this.world.disks.lose(prng),
    failRead: (_victim, prng) => this.world.disks.failRead(prng),
    wipe: () => {
      const machine = this.world.disks.wipeable;
      if (machine === null || machine.isAway) return false;
      machine.wipe(this.world.wipedKeepIdentity);
      if (machine.isAway) this.world.replace(machine);
      return true;
    },
  };

  private crash(victims: readonly Machine[], prng: Prng): boolean {
    const running = victims.filter(({ isUp }) => isUp);
    for (const victim of running) {
      victim.crash(prng.chance(0.5));
      this.lasting(prng, DOWN_MS_MAX, () => victim.start());
    }
    return running.length > 0;
  }

  private cut(prng: Prng, links: readonly Link[]): boolean {
    return this.lasting(prng, LAST_MS_MAX, this.world.network.cut(links)) && links.length > 0;
  }

  private disturb(victim: Machine, prng: Prng, fate: Parameters<NetworkFaults["disturb"]>[1]): boolean {
    return this.lasting(prng, LAST_MS_MAX, this.world.network.disturb(this.links(victim, prng), fate));
  }

  /** All links, or those of the victim. */
  private links(victim: Machine, prng: Prng): Link[] {
    if (prng.chance(0.5)) return between([victim.name], this.others(victim));
    return this.names().flatMap((from) => this.names().flatMap((to): Link[] => (from === to ? [] : [[from, to]])));
  }

  private halves(names: readonly string[], prng: Prng): Link[] {
    const left = names.filter(() => prng.chance(0.5));
    return between(
      left,
      names.filter((name) => !left.includes(name)),
    );
  }

  /** Each hears its two neighbours only; of three, the first and the last do not hear each other. */
  private ring(): Link[] {
    const names = this.names();
    const isCut = (one: number, other: number): boolean => {
      const apart = Math.abs(one - other);
      return names.length === 3 ? apart === 2 : apart > 1 && apart < names.length - 1;
    };
    return names.flatMap((from, one) => names.flatMap((to, other): Link[] => (isCut(one, other) ? [[from, to]] : [])));
  }

  private victim(prng: Prng): Machine {
    const { machines, leaderBias } = this.world;
    const leaders = this.world.leaders();
    const isAimed = prng.chance(leaderBias);
    const random = prng.pick(machines);
    return isAimed && leaders.length > 0 ? prng.pick(leaders) : random;
  }

  private names(): string[] {
    return this.world.machines.map(({ name }) => name);
  }

  private others(victim: Machine): string[] {
    return this.names().filter((name) => name !== victim.name);
  }

  /** Calls `end` after a while, or when all is healed. Always true: it has begun. */
  private lasting(prng: Prng, msMax: number, end: () => void): true {
    this.until(prng.ratio() * (prng.chance(0.4) ? SHORT_MS_MAX : msMax), end);
    return true;
  }

  /** Calls `end` after so long, or when all is healed. */
  private until(ms: number, end: () => void): void {
    const once = (): void => {
      if (!this.undo.delete(once)) return;
      timer.cancel();
      end();
    };
    this.undo.add(once);
    const timer = this.world.clock.setTimer(ms, once);
  }
}
