/** sides.ts: whom clients do not reach while the brokers are divided. */
import type { BrokerId } from "@varve/base";
import type { ClientSide } from "./test-cluster.js";

/** The brokers across the cut, seen from where clients stand. */
export function lostToClients(
  left: readonly BrokerId[],
  right: readonly BrokerId[],
  side: ClientSide = left.length > right.length ? "left" : "right",
): readonly BrokerId[] {
  switch (side) {
    case "left":
      return right;
    case "right":
      return left;
    case "both":
      return [];
  }
}
