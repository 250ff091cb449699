/**
 * last-look.ts: what a run writes down when nobody sends any more: the ends of the partitions, then what each replica's files hold.
 */
import type { Varve } from "@varve/client";
import { ask } from "../clients/asker.js";
import { Proc, type Recorder } from "../recorder.js";
import { dumpReplicas } from "./dump.js";

/** The linearizable end of every partition. @throws Error when nobody answers. */
export async function lastEnds(recorder: Recorder, varve: Varve, topic: string): Promise<readonly number[]> {
  const proc = new Proc(recorder, "last-asker");
  await ask(proc, varve, topic, "earliest");
  const ends = await ask(proc, varve, topic, "latest");
  if (ends === null) throw new Error("no answer to the last question for the partitions' ends");
  return ends;
}

/** A topic as it was before the brokers stopped. */
export interface HeldTopic {
  readonly topic: string;
  readonly topicId: string;
  readonly partitions: readonly { readonly partition: number; readonly replicas: readonly number[] }[];
}

/** What a broker's files hold of a topic, as `final` events; the broker must have stopped. @throws Error when a replica is missing. */
export async function announceReplicas(
  recorder: Recorder,
  broker: number,
  dataDir: string,
  { topic, topicId, partitions }: HeldTopic,
): Promise<void> {
  const proc = new Proc(recorder, `broker-${broker}`);
  const held = partitions.filter(({ replicas }) => replicas.includes(broker)).map(({ partition }) => partition);
  for (const dump of await dumpReplicas(dataDir, topicId, held)) proc.announce("final", { broker, topic, ...dump });
}
