/**
 * pause.ts: SIGSTOP of one broker, and SIGCONT: its connections stay open and nothing answers on them. When it wakes it may believe that it still
 * leads; it is asked at once.
 */
import { WokenAsker } from "../clients/woken-asker.js";
import { type Fault, type FaultContext, leadersOf, pickVictim } from "./fault.js";
import { alone } from "./sides.js";

const FROZEN_MS_MIN = 500;
const FROZEN_MS_MAX = 8_000;
/** From longer than an election takes on. */
const REPLACED_MS_MIN = 3_500;
const REPLACED_MS_MAX = 6_000;

export const pause: Fault = {
  name: "pause",
  does: "SIGSTOP of one broker for up to 8 s: shorter and longer than an election takes; asked as soon as it wakes",
  run: async (context) => {
    const { prng, hold } = context;
    const victim = await pickVictim(context);
    await freeze(context, victim, {
      sleep: () => hold(prng.between(FROZEN_MS_MIN, FROZEN_MS_MAX)),
      connect: () => Promise.resolve(),
    });
  },
};

/**
 * The same for a leader that is replaced in its sleep and must tell nobody what was: always a leader, always long enough. No other broker reaches it
 * until a moment after it woke.
 */
export const leaderPause: Fault = {
  name: "leader-pause",
  does: "SIGSTOP of a leader for up to 6 s, longer than an election takes; asked when it wakes, before it hears from other brokers",
  run: async (context) => {
    const { cluster, prng, holdFor } = context;
    const { network, ids } = cluster;
    const leaders = await leadersOf(context);
    if (leaders.length === 0) return;
    const victim = prng.pick(leaders);
    const { left, right } = alone(victim, ids);
    await freeze(context, victim, {
      sleep: async () => {
        await network.divide(left, right);
        await holdFor(prng.between(REPLACED_MS_MIN, REPLACED_MS_MAX));
      },
      connect: () => network.heal(),
    });
  },
};

interface Sleep {
  /** Ends when the broker is to wake. */
  readonly sleep: () => Promise<void>;
  /** Called when it has been awake for a moment. */
  readonly connect: () => Promise<void>;
}

async function freeze(context: FaultContext, victim: number, { sleep, connect }: Sleep): Promise<void> {
  const { cluster, topic, partitions, recorder, struck, measures } = context;
  const asker = new WokenAsker(cluster.grpcOf(victim), recorder, topic, partitions);
  await asker.connect();
  cluster.freeze(victim);
  struck(`broker ${victim}`);
  await sleep();
  measures.woke(await asker.askAround(() => cluster.thaw(victim), connect));
}
