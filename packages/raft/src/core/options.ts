/**
 * options.ts: the settings of a node with every default filled in, checked once.
 */
import { assert } from "../assert.js";
import type { Entry, ProposedEntry, RaftConfig, TraceEvent } from "../types.js";
import { type EntrySize, encodedEntryBytes } from "./entry-size.js";

/** `RaftConfig` without optional fields and without type parameters. */
export interface Options {
  readonly id: number;
  readonly applied: number;
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  readonly random: (endExclusive: number) => number;
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  readonly asyncStorageWrites: boolean;
  readonly maxSizePerMessage: number;
  readonly maxCommittedSizePerReady: number;
  readonly maxUncommittedSize: number;
  readonly maxInflightMessages: number;
  readonly maxInflightBytes: number;
  readonly disableProposalForwarding: boolean;
  readonly disableConfChangeValidation: boolean;
  readonly stepDownOnRemoval: boolean;
  readonly commitOldTerm: boolean;
  readonly createEntry: (proposed: ProposedEntry, term: number, index: number) => Entry;
  readonly entrySize: EntrySize;
  readonly trace: ((event: TraceEvent) => void) | null;
}

/** `config` with its defaults. Settings that contradict each other are programmer errors. */
export function resolveOptions(config: RaftConfig): Options {
  const maxSizePerMessage = config.maxSizePerMessage ?? Number.POSITIVE_INFINITY;
  const options: Options = {
    id: config.id,
    applied: config.applied ?? 0,
    electionTicks: config.electionTicks,
    heartbeatTicks: config.heartbeatTicks,
    random: config.random,
    preVote: config.preVote ?? false,
    checkQuorum: config.checkQuorum ?? false,
    asyncStorageWrites: config.asyncStorageWrites ?? false,
    maxSizePerMessage,
    maxCommittedSizePerReady: config.maxCommittedSizePerReady ?? maxSizePerMessage,
    maxUncommittedSize: config.maxUncommittedSize ?? Number.POSITIVE_INFINITY,
    maxInflightMessages: config.maxInflightMessages ?? Number.MAX_SAFE_INTEGER,
    maxInflightBytes: config.maxInflightBytes ?? 0,
    disableProposalForwarding: config.disableProposalForwarding ?? false,
    disableConfChangeValidation: config.disableConfChangeValidation ?? false,
    stepDownOnRemoval: config.stepDownOnRemoval ?? false,
    commitOldTerm: config.faults?.commitOldTerm ?? false,
    createEntry: config.createEntry ?? plainEntry,
    entrySize: config.entrySize ?? encodedEntryBytes,
    trace: config.trace ?? null,
  };
  checkOptions(options);
  return options;
}

function plainEntry(proposed: ProposedEntry, term: number, index: number): Entry {
  return { term, index, type: proposed.type, data: proposed.data };
}

function checkOptions(options: Options): void {
  assert(Number.isSafeInteger(options.id) && options.id > 0, "a node id is an integer from 1 to 2^53 - 1");
  assert(options.heartbeatTicks >= 1, "heartbeatTicks is at least 1");
  assert(options.electionTicks > options.heartbeatTicks, "electionTicks is greater than heartbeatTicks");
  assert(options.applied >= 0, "applied is an index or 0");
  assert(options.maxSizePerMessage >= 0, "maxSizePerMessage is not negative");
  assert(options.maxCommittedSizePerReady > 0, "maxCommittedSizePerReady is positive");
  assert(options.maxUncommittedSize > 0, "maxUncommittedSize is positive");
  assert(options.maxInflightMessages >= 1, "maxInflightMessages is at least 1");
  assert(options.maxInflightBytes >= 0, "maxInflightBytes is not negative; 0 means no limit");
}
