/**
 * prng.ts: a seeded pseudo-random generator (the published sfc32 construction), the only randomness of simulations.
 */
import type { Random } from "../ports/random.js";

export class Prng implements Random {
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;

  constructor(seed: number) {
    this.a = seed >>> 0;
    this.b = Math.floor(seed / 2 ** 32) >>> 0;
    this.c = 0x9e3779b9;
    for (let warmUp = 0; warmUp < 15; warmUp++) this.uint32();
  }

  uint32(): number {
    const result = (((this.a + this.b) | 0) + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = ((this.c << 21) | (this.c >>> 11)) + result;
    this.c |= 0;
    return result >>> 0;
  }

  bytes(size: number): Uint8Array {
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; at++) bytes[at] = this.uint32() & 0xff;
    return bytes;
  }

  /** A number in [0, 1). */
  ratio(): number {
    return this.uint32() / 2 ** 32;
  }

  /** An integer in `first .. last`, both inclusive. */
  between(first: number, last: number): number {
    return first + Math.floor(this.ratio() * (last - first + 1));
  }

  chance(probability: number): boolean {
    return this.ratio() < probability;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.between(0, items.length - 1)];
    if (item === undefined) throw new RangeError("pick from an empty list");
    return item;
  }

  /** A generator of its own, so that one part's draws do not shift another's. */
  fork(): Prng {
    return new Prng(this.uint32() + this.uint32() * 2 ** 20);
  }
}
