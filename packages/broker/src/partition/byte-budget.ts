/**
 * byte-budget.ts: a bound on bytes in flight, shared by all who take from it. Overflow is an answer, never growth.
 */
import { assert } from "@varve/base";

export class ByteBudget {
  readonly bytesMax: number;
  private used = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  get usedBytes(): number {
    return this.used;
  }

  /** Takes the bytes, or takes nothing and says false. */
  take(bytes: number): boolean {
    if (this.used + bytes > this.bytesMax) return false;
    this.used += bytes;
    return true;
  }

  release(bytes: number): void {
    this.used -= bytes;
    assert(this.used >= 0, "no more is released than was taken");
  }
}
