/**
 * variants.ts: brokers that are broken on purpose, so that the checks have something to find: a suite that does not find these would find nothing.
 *
 * A broker's process loads preload.ts before its own code; that replaces a method of a class, from outside. The shipped code knows nothing of it.
 */
import { fileURLToPath } from "node:url";

/** One way to break a broker. */
export interface Variant {
  readonly name: string;
  /** One line for people: what is wrong with it. */
  readonly does: string;
  /** The checks that are there to find it; one of them must. */
  readonly checks: readonly string[];
  /** Kinds of faults under which it shows, as `--faults` takes them. */
  readonly faults: string;
  /** After so many of them it has shown. */
  readonly rounds: number;
  /** It shows in what members of groups do. */
  readonly needsGroups?: boolean;
}

export const VARIANTS: readonly Variant[] = [
  {
    name: "ack-before-quorum",
    does: "a leader acknowledges what only its own disk has",
    checks: ["K1"],
    faults: "leader-cut",
    rounds: 4,
  },
  {
    name: "dedup-lost",
    does: "a batch that comes again is appended again",
    checks: ["K6"],
    faults: "replies-lost",
    rounds: 3,
  },
  {
    name: "stale-reads",
    does: "a leader answers linearizable reads without asking whether it still leads",
    checks: ["K4"],
    faults: "leader-pause",
    rounds: 2,
  },
  {
    name: "commit-without-fence",
    does: "a coordinator takes whoever commits for the owner of the partition",
    checks: ["K8"],
    faults: "member-zombie",
    rounds: 6,
    needsGroups: true,
  },
];

/** Tells a broker's process how it is broken, as names with commas. */
export const BROKEN_VARIABLE = "CHAOS_BROKEN";
const PRELOAD = new URL("preload.js", import.meta.url);

/** @param list names with commas; `all`. @throws Error that names what there is. */
export function chooseVariants(list: string): readonly Variant[] {
  if (list === "all") return VARIANTS;
  return list.split(",").map((name) => {
    const found = VARIANTS.find((variant) => variant.name === name);
    if (found !== undefined) return found;
    const known = VARIANTS.map((variant) => variant.name).join(", ");
    throw new Error(`--broken: ${JSON.stringify(name)} is unknown; there are ${known} and all`);
  });
}

/** What a broker's process inherits so that it is broken in all of these ways; nothing when there are none. */
export function brokenEnv(variants: readonly Variant[]): NodeJS.ProcessEnv {
  if (variants.length === 0) return {};
  const options = [process.env["NODE_OPTIONS"] ?? "", `--import=${JSON.stringify(fileURLToPath(PRELOAD))}`];
  return { NODE_OPTIONS: options.join(" ").trim(), [BROKEN_VARIABLE]: variants.map(({ name }) => name).join(",") };
}
