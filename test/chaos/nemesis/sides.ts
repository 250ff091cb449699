/** sides.ts: who is on which side of a cut. */
import type { Prng } from "@varve/base/testing";

export interface Sides {
  readonly left: readonly number[];
  readonly right: readonly number[];
}

/** Two halves, the smaller one first. */
export function halves(ids: readonly number[], prng: Prng): Sides {
  const order = [...ids].sort((a, b) => a - b);
  for (let at = order.length - 1; at > 0; at--) {
    const other = prng.between(0, at);
    [order[at], order[other]] = [order[other] ?? 0, order[at] ?? 0];
  }
  const small = Math.floor(order.length / 2);
  return { left: order.slice(0, small), right: order.slice(small) };
}

export function alone(id: number, ids: readonly number[]): Sides {
  return { left: [id], right: ids.filter((other) => other !== id) };
}

/** "1 | 2 3" */
export function shown({ left, right }: Sides): string {
  return `${left.join(" ")} | ${right.join(" ")}`;
}
