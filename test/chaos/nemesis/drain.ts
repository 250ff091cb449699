/** drain.ts: the leaderships of a broker move away before planned work on it, which then does not happen. */
import { type Fault, pickVictim } from "./fault.js";

const DRAINED_MS_MIN = 500;
const DRAINED_MS_MAX = 5_000;
const ANSWER_MS = 10_000;

export const drain: Fault = {
  name: "drain",
  does: "a broker gives its leaderships away on command, for up to 5 s",
  unavailable: (brokers) => (brokers < 2 ? "one broker has nobody to give them to" : null),
  run: async (context) => {
    const { prng, varve, hold, struck } = context;
    const victim = await pickVictim(context);
    const wait = () => ({ signal: AbortSignal.timeout(ANSWER_MS) });
    const drained = await varve.admin.drainBroker({ broker: victim }, wait()).then(
      () => true,
      () => false,
    );
    if (drained) struck(`broker ${victim}`);
    await hold(prng.between(DRAINED_MS_MIN, DRAINED_MS_MAX));
    // A call that was given up may have been heard; undoing what never was changes nothing.
    await varve.admin.drainBroker({ broker: victim, undo: true });
  },
};
