/**
 * quorum-cases.ts: the commands of quorum scenarios: what majorities have committed, and how votes end.
 */
import { COMMITTED_ALL, jointIndex, jointVote, majorityIndex, majorityVote, type VoteResult } from "raft-ts";
import type { Block } from "./datadriven.js";
import { parseNumber, readArguments, UnsupportedScenario } from "./expect-args.js";

const VOTE_NAMES: Readonly<Record<VoteResult, string>> = {
  won: "VoteWon",
  lost: "VoteLost",
  pending: "VotePending",
};

interface QuorumCase {
  readonly voters: readonly number[];
  /** Null: a plain majority, not a joint one. */
  readonly outgoing: readonly number[] | null;
  /** One value for each voter, in the order of its first mention; undefined: not known. */
  readonly values: ReadonlyMap<number, string | undefined>;
}

/** Carries out one command. @throws UnsupportedScenario. */
export function runQuorumCommand(block: Block): string {
  if (block.command === "committed") return committed(readCase(block, "idx"));
  if (block.command === "vote") return vote(readCase(block, "votes"));
  throw new UnsupportedScenario(`unknown command "${block.command}"`);
}

function readCase(block: Block, valueKey: string): QuorumCase {
  const { words, named } = readArguments(block, ["cfg", "cfgj", valueKey]);
  if (words.length > 0) throw new UnsupportedScenario(`unknown argument "${words.join()}"`);
  const voters = (named.get("cfg") ?? []).map(parseNumber);
  const joint = named.get("cfgj");
  const isZero = joint?.length === 1 && joint[0] === "zero";
  const outgoing = joint === undefined ? null : isZero ? [] : joint.map(parseNumber);
  const ids = [...new Set([...voters, ...(outgoing ?? [])])];
  const given = named.get(valueKey) ?? [];
  if (given.length !== ids.length) throw new UnsupportedScenario(`${given.length} values for ${ids.length} voters`);
  const values = new Map(ids.map((id, at) => [id, given[at] === "_" ? undefined : given[at]]));
  return { voters, outgoing, values };
}

function committed({ voters, outgoing, values }: QuorumCase): string {
  const reached = (id: number): number => {
    const value = values.get(id);
    return value === undefined ? 0 : parseNumber(value);
  };
  const index =
    outgoing === null ? majorityIndex(voters, reached) : jointIndex({ voters, votersOutgoing: outgoing }, reached);
  return `${describe([...values.keys()], values)}${index === COMMITTED_ALL ? "∞" : index}`;
}

/** A table of the voters with a bar for the rank of each. */
function describe(ids: readonly number[], values: ReadonlyMap<number, string | undefined>): string {
  if (ids.length === 0) return "<empty majority quorum>";
  const ascending = [...ids].sort((left, right) => left - right);
  const index = (id: number): number => Number(values.get(id) ?? 0);
  const rows = ascending.map((id) => {
    const rank = ascending.filter((other) => index(other) < index(id)).length;
    const bar =
      values.get(id) === undefined ? `?${" ".repeat(ids.length)}` : `${"x".repeat(rank)}>`.padEnd(ids.length + 1);
    return `${bar} ${String(index(id)).padStart(5)}    (id=${id})\n`;
  });
  return `${" ".repeat(ids.length)}    idx\n${rows.join("")}`;
}

function vote({ voters, outgoing, values }: QuorumCase): string {
  const voteOf = (id: number): boolean | undefined => {
    const value = values.get(id);
    if (value === undefined) return undefined;
    if (value !== "y" && value !== "n") throw new UnsupportedScenario(`unknown vote "${value}"`);
    return value === "y";
  };
  const result =
    outgoing === null ? majorityVote(voters, voteOf) : jointVote({ voters, votersOutgoing: outgoing }, voteOf);
  return VOTE_NAMES[result];
}
