/**
 * faults.ts: draws faults and carries them out until told to heal.
 */
import type { Prng } from "@varve/base/testing";
import type { SimNode, World } from "./sim-node.js";

/** Every kind of fault, with its share among those drawn. */
const SHARES = {
  crash: 5,
  crashAll: 1,
  halves: 2,
  isolate: 3,
  oneWay: 2,
  bridge: 1,
  loss: 2,
  duplicate: 1,
  reorder: 2,
  slowNetwork: 1,
  reset: 1,
  pause: 3,
  slowDisk: 2,
} as const;
export type FaultKind = keyof typeof SHARES;

const KINDS = Object.keys(SHARES) as FaultKind[];
const DOWN_MS_MAX = 4_000;
const SHORT_MS_MAX = 500;
const LAST_MS_MAX = 4_000;
const NORMAL_DELAY = { minMs: 0.1, maxMs: 1 };

export class Faults {
  readonly counts = new Map<FaultKind, number>();
  private readonly world: World;
  private readonly nodes: readonly SimNode[];
  private readonly prng: Prng;
  private readonly undo = new Set<() => void>();
  private isHealed = false;

  constructor(world: World, nodes: readonly SimNode[]) {
    this.world = world;
    this.nodes = nodes;
    this.prng = world.prng.fork();
  }

  get count(): number {
    let sum = 0;
    for (const count of this.counts.values()) sum += count;
    return sum;
  }

  /** Faults from now on, one after another; they overlap. */
  start(): void {
    this.world.clock.setTimer(50 + this.prng.ratio() * this.world.plan.calmMsMax, () => {
      if (this.isHealed) return;
      this.strike(this.drawKind());
      this.start();
    });
  }

  /** Ends every fault; none follows. */
  heal(): void {
    this.isHealed = true;
    for (const undo of [...this.undo]) undo();
    this.world.trace.note("world", "heal");
  }

  private drawKind(): FaultKind {
    const sum = KINDS.reduce((total, kind) => total + SHARES[kind], 0);
    let at = this.prng.between(1, sum);
    for (const kind of KINDS) {
      at -= SHARES[kind];
      if (at <= 0) return kind;
    }
    return "crash";
  }

  private strike(kind: FaultKind): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    const victim = this.drawVictim();
    this.world.trace.note("world", kind, victim.id);
    const others = this.nodes.filter((node) => node !== victim);
    const strikes: Record<FaultKind, () => void> = {
      crash: () => this.crash([victim]),
      crashAll: () => this.crash(this.nodes),
      halves: () => this.halves(this.nodes),
      isolate: () => this.cut([[victim, others]], true),
      oneWay: () =>
        this.cut(this.prng.chance(0.5) ? [[victim, others]] : others.map((other) => [other, [victim]]), false),
      // Everybody hears the victim; the others fall into two sides that do not hear each other.
      bridge: () => this.halves(others),
      loss: () => this.messages({ dropRatio: this.prng.pick([0.02, 0.1, 0.4]) }),
      duplicate: () => this.messages({ duplicateRatio: this.prng.pick([0.1, 0.5]), delayMsMax: 50 }),
      reorder: () =>
        this.messages({ delayRatio: this.prng.pick([0.1, 0.5]), delayMsMax: this.prng.pick([5, 100, 1_000]) }),
      slowNetwork: () => this.slowNetwork(),
      reset: () => this.world.network.reset(victim.name, this.prng.pick(others).name),
      pause: () => this.pause(victim),
      slowDisk: () => this.slowDisk(victim),
    };
    strikes[kind]();
  }

  private drawVictim(): SimNode {
    const groupId = this.prng.pick(this.world.groupIds);
    const leader = this.nodes.find((node) => node.servesAsLeader(groupId));
    const isAimed = this.prng.chance(this.world.plan.leaderBias);
    const random = this.prng.pick(this.nodes);
    return isAimed && leader !== undefined ? leader : random;
  }

  /** Calls `end` after a while, or when all is healed. */
  private lasting(msMax: number, end: () => void): void {
    const once = (): void => {
      if (!this.undo.delete(once)) return;
      timer.cancel();
      end();
    };
    this.undo.add(once);
    const timer = this.world.clock.setTimer(this.prng.ratio() * (this.prng.chance(0.4) ? SHORT_MS_MAX : msMax), once);
  }

  private crash(victims: readonly SimNode[]): void {
    for (const victim of victims) {
      if (!victim.isUp) continue;
      victim.crash(this.prng.chance(0.5));
      this.lasting(DOWN_MS_MAX, () => {
        this.world.trace.note(victim.name, "start");
        victim.start();
      });
    }
  }

  private halves(nodes: readonly SimNode[]): void {
    const left = nodes.filter(() => this.prng.chance(0.5));
    const right = nodes.filter((node) => !left.includes(node));
    this.cut(
      left.map((node) => [node, right]),
      true,
    );
  }

  private cut(pairs: readonly (readonly [SimNode, readonly SimNode[]])[], isBothWays: boolean): void {
    const { network } = this.world;
    for (const [from, targets] of pairs) {
      for (const to of targets) {
        network.block(from.name, to.name);
        if (isBothWays) network.block(to.name, from.name);
      }
    }
    this.lasting(LAST_MS_MAX, () => network.heal());
  }

  private messages(fate: Parameters<World["messageFaults"]["setDefault"]>[0]): void {
    this.world.messageFaults.setDefault(fate);
    this.lasting(LAST_MS_MAX, () => this.world.messageFaults.clear());
  }

  private slowNetwork(): void {
    const delay = this.prng.pick([
      { minMs: 1, maxMs: 30 },
      { minMs: 20, maxMs: 300 },
    ]);
    this.setDelays(delay);
    this.lasting(LAST_MS_MAX, () => this.setDelays(NORMAL_DELAY));
  }

  private setDelays(delay: { readonly minMs: number; readonly maxMs: number }): void {
    for (const from of this.nodes)
      for (const to of this.nodes) if (from !== to) this.world.network.setDelay(from.name, to.name, delay);
  }

  private pause(victim: SimNode): void {
    victim.pause();
    this.lasting(LAST_MS_MAX, () => victim.resume());
  }

  private slowDisk(victim: SimNode): void {
    victim.syncSlowdown = this.prng.pick([10, 50]);
    this.lasting(LAST_MS_MAX, () => {
      victim.syncSlowdown = 1;
    });
  }
}
