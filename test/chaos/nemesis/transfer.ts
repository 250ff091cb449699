/** transfer.ts: leaderships are moved on purpose, several at once. */
import { type Fault, partitionsOf } from "./fault.js";

const ANSWER_MS = 5_000;

export const transfer: Fault = {
  name: "transfer",
  does: "every second leadership moves to another replica on command",
  unavailable: (brokers) => (brokers < 2 ? "one broker has nobody to hand over to" : null),
  run: async ({ varve, topic, prng, struck }) => {
    const moves = (await partitionsOf(varve, topic)).flatMap(({ partition, leader, voters }) => {
      const others = voters.filter((voter) => voter !== leader);
      return leader === null || others.length === 0 || prng.chance(0.5) ? [] : [{ partition, to: prng.pick(others) }];
    });
    const signal = AbortSignal.timeout(ANSWER_MS);
    const asked = moves.map(({ partition, to }) =>
      varve.admin.transferLeadership({ topic, partition, to }, { signal }),
    );
    const moved = (await Promise.allSettled(asked)).filter(({ status }) => status === "fulfilled").length;
    if (moved > 0) struck(`${moved} of ${moves.length} partitions`);
  },
};
