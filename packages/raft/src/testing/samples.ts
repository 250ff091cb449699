/**
 * samples.ts: short ways to write entries, messages and configurations in tests.
 */
import { EMPTY_CONFIGURATION } from "../core/configuration.js";
import { emptyMessage } from "../core/messages.js";
import {
  type ConfChangeSingle,
  type ConfChangeV2,
  type ConfState,
  type Entry,
  EntryType,
  type Message,
  type MessageType,
} from "../types.js";

const encoder = new TextEncoder();

/** A normal entry. */
export function testEntry(term: number, index: number, text = ""): Entry {
  return { term, index, type: EntryType.normal, data: encoder.encode(text) };
}

/** Empty entries from index 1 on, one for each term. */
export function testLog(...terms: readonly number[]): readonly Entry[] {
  return terms.map((term, at) => testEntry(term, at + 1));
}

/** What is proposed. */
export function testProposal(text: string): { readonly type: EntryType; readonly data: Uint8Array } {
  return { type: EntryType.normal, data: encoder.encode(text) };
}

/** A configuration that is not joint. */
export function testConf(voters: readonly number[], learners: readonly number[] = []): ConfState {
  return { ...EMPTY_CONFIGURATION, voters, learners };
}

/** A message with some of its fields. */
export function testMessage(type: MessageType, from: number, to: number, fields: Partial<Message> = {}): Message {
  return { ...emptyMessage(type, from, to), ...fields };
}

/** A change like "v1 l2 r3". */
export function testChange(text: string, transition: ConfChangeV2["transition"] = "auto"): ConfChangeV2 {
  return { transition, changes: testChanges(text), context: new Uint8Array(0) };
}

const LETTERS = { v: "addVoter", l: "addLearner", r: "removeNode", u: "updateNode" } as const;

/** Changes like "v1 l2 r3". */
export function testChanges(text: string): readonly ConfChangeSingle[] {
  return text
    .split(" ")
    .filter((word) => word !== "")
    .map((word) => ({ type: LETTERS[word.charAt(0) as keyof typeof LETTERS], nodeId: Number(word.slice(1)) }));
}
