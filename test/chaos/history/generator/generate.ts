/**
 * generate.ts: random histories of any length that break no promise. One seed decides everything.
 *
 * They show how fast the checker is and how much memory it takes, and are what `mutations.ts` breaks.
 */
import { Prng } from "@varve/base/testing";
import { HistoryWriter } from "../writer.js";
import { type Actor, Member, Nemesis, Observer, Producer, Reader, type Stage } from "./actors.js";
import { ModelTopic } from "./model.js";

/** What a history is drawn from. */
export interface GeneratorOptions {
  readonly seed: number;
  /** Events, not counting those in which everything is read to its end. */
  readonly events: number;
  readonly partitions: number;
  readonly producers: number;
  readonly replicas: number;
}

/** How rare a fault, a rebalance and an observation are, of all turns. */
const NEMESIS_RATIO = 0.0005;
const REBALANCE_RATIO = 0.005;
const OBSERVER_RATIO = 0.01;

/** Writes a history, line by line. */
export function generate(options: GeneratorOptions, write: (line: string) => void): void {
  const prng = new Prng(options.seed);
  let ms = 0;
  const history = new HistoryWriter({
    nowMs: () => {
      ms += prng.ratio();
      return Math.round(ms * 1_000) / 1_000;
    },
    write,
  });
  const stage: Stage = {
    topic: new ModelTopic("orders", options.partitions),
    partitionCount: options.partitions,
    prng,
    history,
  };
  create(stage);
  const cast = castOf(stage, options);
  while (history.events < options.events) cast.turn();
  cast.drain();
  for (let broker = 1; broker <= options.replicas; broker++) dump(stage, broker);
}

function create({ history, topic }: Stage): void {
  const admin = history.client("admin");
  admin.invoke("createTopic", { topic: topic.topic }).ok({ topicId: topic.topicId });
}

interface Cast {
  readonly turn: () => void;
  /** Ends what is open, and reads everything to its end. */
  readonly drain: () => void;
}

function castOf(stage: Stage, { producers, partitions }: GeneratorOptions): Cast {
  const { prng } = stage;
  const sending = Array.from({ length: producers }, (_, at) => new Producer(stage, `p${at}`));
  const readers = [new Reader(stage, "r0")];
  const members = [new Member(stage, "m0"), new Member(stage, "m1")];
  const observers = [new Observer(stage, "o0"), new Observer(stage, "o1")];
  const nemesis = new Nemesis(stage);
  const all = Array.from({ length: partitions }, (_, partition) => partition);
  members[0]?.take(all, members.slice(1));
  const rebalance = (): void => {
    const taking = prng.pick(members);
    const others = members.filter((member) => member !== taking);
    taking.take(
      all.filter(() => prng.chance(0.5)),
      others,
    );
  };
  const actors: readonly Actor[] = [...sending, ...readers, ...members];
  return {
    turn: () => {
      if (prng.chance(NEMESIS_RATIO)) nemesis.turn();
      else if (prng.chance(REBALANCE_RATIO)) rebalance();
      else if (prng.chance(OBSERVER_RATIO)) prng.pick(observers).turn();
      else prng.pick(actors).turn();
    },
    drain: () => {
      for (const actor of [...actors, ...observers, nemesis]) actor.settle();
      for (const reading of [...readers, ...members]) {
        // At least one poll comes after every acknowledgement.
        do reading.turn();
        while (!reading.isDone);
        reading.settle();
      }
    },
  };
}

function dump({ history, topic, partitionCount }: Stage, broker: number): void {
  const client = history.client(`dump-${broker}`);
  for (let partition = 0; partition < partitionCount; partition++) {
    const records = topic.dump(partition);
    const highWatermark = records.length;
    client.announce("final", { broker, topic: topic.topic, partition, logStart: 0, highWatermark, records });
  }
}
