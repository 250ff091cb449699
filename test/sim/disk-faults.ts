/**
 * disk-faults.ts: disks that fail, fill up, and lose, change or cannot read what they had stored.
 *
 * The atlas: only one machine of a cluster, the fragile one, ever loses or changes stored bytes, so that a good copy of each entry survives on a
 * majority of its replicas. Of a cluster of one there is no second copy, and nothing is damaged. Syncs fail and disks fill up everywhere.
 * Rot in the last flush is outside the promise (it cannot be told from a torn one), and is not done.
 * Source: the fault atlas is TigerBeetle's (VOPR, `storage.zig`); what a failed fsync leaves is Rebello et al., ATC 2020.
 */
import type { Prng, SimClock } from "@varve/base/testing";
import type { Machine } from "./machine.js";

export interface DiskFaultWorld {
  readonly clock: SimClock;
  readonly machines: readonly Machine[];
  note(what: string): void;
}

/** Bytes of one misdirected write. */
const MISDIRECTED_BYTES_MAX = 4_096;
const FREE_BYTES_MAX = 64 * 1_024;

export class DiskFaults {
  private readonly world: DiskFaultWorld;
  private readonly fragile: Machine | null;

  constructor(world: DiskFaultWorld, prng: Prng) {
    this.world = world;
    const drawn = prng.pick(world.machines);
    this.fragile = world.machines.length < 3 ? null : drawn;
  }

  /** The next sync of any file fails; its process must end with that. @returns whether there is a process. */
  failSync(victim: Machine): boolean {
    if (!victim.isUp) return false;
    victim.syncFails = true;
    victim.disk.failNextSync();
    return true;
  }

  /** Nearly nothing fits any more; what this returns makes room again. */
  fill(victim: Machine, prng: Prng): () => void {
    victim.isFull = true;
    victim.disk.setCapacity(victim.disk.usedBytes + prng.between(0, FREE_BYTES_MAX));
    return () => {
      victim.isFull = false;
      victim.disk.setCapacity(2 ** 40);
    };
  }

  // Damage: each says whether it has found something to damage.

  /** Bits of a stored file flip. */
  rot(prng: Prng): boolean {
    return this.damage(prng, (machine, path) => {
      const { disk } = machine;
      const end = machine.safeEnd(path);
      if (end > 0) disk.flipBit(path, prng.between(0, end - 1), 1 << prng.between(0, 7));
      return end > 0;
    });
  }

  /** A write to one file has gone to another. */
  misdirect(prng: Prng): boolean {
    return this.damage(prng, (machine, path) => {
      const { disk } = machine;
      const source = prng.pick(this.filesOf(machine));
      const end = machine.safeEnd(path);
      const position = prng.between(0, Math.max(0, end - 1));
      const length = Math.min(prng.between(1, MISDIRECTED_BYTES_MAX), end - position);
      if (source === path || length <= 0) return false;
      disk.misdirect(source, path, position, length);
      return true;
    });
  }

  /** A file is gone, or is shorter than it was. */
  lose(prng: Prng): boolean {
    return this.damage(prng, (machine, path) => {
      if (machine.safeEnd(path) < machine.disk.contentOf(path).length) return false;
      if (prng.chance(0.5)) machine.disk.loseFile(path);
      else machine.disk.cutFile(path, prng.between(0, machine.disk.contentOf(path).length));
      return true;
    });
  }

  /** A file cannot be read any more: each try fails with EIO. */
  failRead(prng: Prng): boolean {
    return this.damage(prng, (machine, path) => {
      machine.disk.failReads(path);
      return true;
    });
  }

  /** The fragile machine's disk is lost altogether; null: there is none, or it must not be now. */
  get wipeable(): Machine | null {
    return this.fragile;
  }

  private damage(prng: Prng, act: (machine: Machine, path: string) => boolean): boolean {
    const machine = this.fragile;
    const files = machine === null ? [] : this.filesOf(machine);
    if (machine === null || files.length === 0) return false;
    machine.isDamaged = true;
    const path = prng.pick(files);
    this.world.note(`damage of ${machine.name}: ${path}`);
    const isDone = act(machine, path);
    // Half of the time it is met by a start.
    if (prng.chance(0.5) && machine.isUp) {
      machine.kill();
      this.world.clock.setTimer(prng.ratio() * 1_000, () => machine.start());
    }
    return isDone;
  }

  /** Files whose loss is not a matter of an operator. */
  private filesOf({ disk }: Machine): string[] {
    return disk.paths().filter((path) => /\.(log|idx|checkpoint|wal)$|replica\.json$/.test(path));
  }
}
